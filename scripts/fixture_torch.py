"""What the scripts that write fixtures of networks with PyTorch share: the format of the files
(tests/fixtures/README.md), batches, the loss, rates, and state dicts as text.
"""
import math

import numpy
import torch
from torch.nn import functional

from repvit_torch import exact


class Fixture:
    """Named tensors in order; see tests/fixtures/README.md."""

    def __init__(self):
        self.tensors = []

    def add(self, name, tensor):
        array = tensor.detach().numpy()
        self.tensors.append((name, numpy.array(
            array, dtype="<i8" if array.dtype == numpy.int64 else "<f4", order="C")))

    def add_all(self, prefix, named):
        for name, tensor in named:
            self.add(prefix + name, tensor)

    def write(self, path):
        with open(path, "wb") as out:
            for name, array in self.tensors:
                dtype = {"<i8": "i64", "<f4": "f32"}[array.dtype.str]
                dims = "".join(f" {d}" for d in array.shape)
                out.write(f"{name} {dtype}{dims}\n".encode())
            out.write(b"\n")
            for _, array in self.tensors:
                out.write(array.tobytes())
        print(f"{path}: {path.stat().st_size} bytes")


def nhwc(images):
    return images.permute(0, 2, 3, 1)


def soft_targets(count, classes, generator):
    """One-hot targets mixed in pairs, as mixup makes them."""
    labels = torch.randint(classes, (count,), generator=generator)
    hot = functional.one_hot(labels, classes).double()
    return exact(0.7 * hot + 0.3 * hot.flip(0))


def cross_entropy(logits, targets, smoothing):
    targets = (1 - smoothing) * targets + smoothing / logits.shape[1]
    return -(targets * functional.log_softmax(logits, 1)).sum(1).mean()


def learning_rate(step, steps, warmup, base, warmup_lr, min_lr):
    """Linear warm-up, then the cosine whose phase is counted from step 0."""
    if step < warmup:
        return warmup_lr + step * (base - warmup_lr) / warmup
    return min_lr + 0.5 * (base - min_lr) * (1 + math.cos(math.pi * step / steps))


def fnv1a(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001b3) & 0xffffffffffffffff
    return value


def state_dict_text(model):
    lines = []
    for name, tensor in model.state_dict().items():
        lines.append(name + "".join(f" {d}" for d in tensor.shape) + "\n")
    return "".join(lines)
