#!/usr/bin/env python3
"""Time PyTorch on a training step of a detector: what bench_torch.py is for classifiers.

    PYTHON scripts/bench_detector_torch.py MODEL [--batch N] [--size N] [--threads N] [--steps N]
        [--precision fp32|bf16] [--channels-last] [--compile] [--ultralytics]
    PYTHON scripts/bench_detector_torch.py MODEL --save FILE.safetensors

MODEL is yolo11n, s or m, or one of these on a RepViT, as yolo11n_repvit_m0_9. The step is that of
`weld bench --train`: forward, assignment and loss of the same eight objects an image, backward, AdamW,
on noise. bf16 is autocast, of our network alone; --ultralytics takes network and loss of that package,
for yolo11 alone, and not compiled. Prints one JSON object with the names of `weld bench --json`. --save writes an untrained
network's weights instead.
"""
import sys

sys.dont_write_bytecode = True
import torch  # noqa: E402

import detection_torch  # noqa: E402
import safetensors_torch  # noqa: E402
import yolo11_torch  # noqa: E402
from bench_torch import measure, options  # noqa: E402
from repvit_torch import VARIANTS  # noqa: E402

OBJECTS = 8


def network(name):
    letter, _, backbone = name.removeprefix("yolo11").partition("_")
    scale = yolo11_torch.SCALES.get(letter)
    if not scale or not name.startswith("yolo11"):
        sys.exit(f"bench_detector_torch.py: {name}: no YOLO11")
    if not backbone:
        return yolo11_torch.YOLO11(scale)
    for known, channels, depths, _ in VARIANTS:
        if known == backbone:
            return yolo11_torch.YOLO11RepViT(scale, channels, depths)
    return sys.exit(f"bench_detector_torch.py: {name}: no such RepViT")


def objects(size):
    """[OBJECTS, 5]: those of weld, each from a 16th further on, and smaller."""
    k = torch.arange(OBJECTS)
    low, side = k * size / (2 * OBJECTS), size / (k + 2)
    return torch.stack([torch.zeros(OBJECTS), low, low, low + side, low + side], 1)


def ours(model, images, precision):
    batch, size = len(images), images.shape[2]
    targets = torch.cat([objects(size), torch.zeros(OBJECTS, 1)], 1).expand(batch, -1, -1)

    def loss():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            distances, boxes, classes = model(images)
        return detection_torch.loss(boxes.float(), distances.float(), classes.float(), targets, size,
                                    size)["total"]

    return loss


def theirs(name, images, precision):
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel
    model = DetectionModel(name + ".yaml", verbose=False)
    model.args = get_cfg()
    batch, rows = len(images), objects(1)
    middle = torch.cat([(rows[:, 1:3] + rows[:, 3:]) / 2, rows[:, 3:] - rows[:, 1:3]], 1)
    given = {"img": images, "cls": torch.zeros(batch * OBJECTS, 1), "bboxes": middle.repeat(batch, 1),
             "batch_idx": torch.arange(batch).repeat_interleave(OBJECTS).float()}

    def loss():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return model.loss(given)[0].sum()

    return model, loss


def main():
    parser = options(__doc__, 8, 320)
    parser.add_argument("--ultralytics", action="store_true")
    a = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    if a.save:
        safetensors_torch.save(network(a.model).state_dict(), a.save)
        return
    if a.ultralytics and a.compile:
        parser.error("--ultralytics is not compiled")
    layout = torch.channels_last if a.channels_last else torch.contiguous_format
    images = torch.rand(a.batch, 3, a.size, a.size).contiguous(memory_format=layout)
    if a.ultralytics:
        model, loss = theirs(a.model, images, a.precision)
        model.to(memory_format=layout).train()
    else:
        model = network(a.model).to(memory_format=layout).train()
        loss = ours(torch.compile(model) if a.compile else model, images, a.precision)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4,
                                  weight_decay=0.025)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    measure(a, step, *(["Ultralytics"] if a.ultralytics else []))


if __name__ == "__main__":
    main()
