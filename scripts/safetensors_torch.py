"""Safetensors files with PyTorch's tensors, by the published description of the format: a length
of 8 bytes, a header in JSON, the elements. For the scripts; Debian has no package of it."""
import json

import torch

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int64: "I64"}


def elements(tensor):
    """The bytes of a tensor; numpy has no bfloat16, so they go as integers of the same size."""
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().contiguous().reshape(-1).view(whole).numpy().tobytes()


def save(state, path, metadata=None):
    """As the usual writer does: widest types first, then by name; header padded with spaces."""
    header = {"__metadata__": metadata} if metadata else {}
    data = []
    end = 0
    for name, tensor in sorted(state.items(), key=lambda item: (-item[1].element_size(), item[0])):
        data.append(elements(tensor))
        begin, end = end, end + len(data[-1])
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        out.writelines(data)


def load(path):
    """The tensors by name and the metadata; every offset must be as the format wants it."""
    with open(path, "rb") as source:
        length = int.from_bytes(source.read(8), "little")
        header = json.loads(source.read(length))
        data = bytearray(source.read())
    metadata = header.pop("__metadata__", {})
    types = {name: dtype for dtype, name in TYPES.items()}
    state = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = types[entry["dtype"]], entry["shape"]
        begin, after = entry["data_offsets"]
        count = torch.Size(shape).numel()
        size = torch.empty(0, dtype=dtype).element_size()
        if begin != end or after - begin != count * size:
            raise ValueError(f"{path}: {name}: offsets {begin} and {after} for {shape}")
        state[name] = torch.frombuffer(data, dtype=dtype, count=count, offset=begin).reshape(shape)
        end = after
    if end != len(data):
        raise ValueError(f"{path}: {len(data)} bytes of elements where the header says {end}")
    return state, metadata
