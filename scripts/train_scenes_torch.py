"""Train a detector on scenes in PyTorch by recipes/fashion_scenes.yaml: the other side of
scripts/show_scenes.

    PYTHON scripts/train_scenes_torch.py RECIPE.yaml OUT [--seed N] [--threads N]

RECIPE.yaml is the recipe.yaml that `weld train` left in a run's folder: all keys written out. What
of it this script does not do, it refuses. The network and the loss are those of yolo11_torch.py and
detection_torch.py; augmentation is written here anew, by what recipes/README.md says. OUT gets
weights.json and average.json, what the weights and their moving average find on data.val in COCO's
format of results. Prints one JSON line an epoch. PYTHON needs torch, torchvision, numpy, Pillow and
yaml.
"""
import argparse
import copy
import json
import math
import pathlib
import random
import sys
import time

import numpy
import torch
import torchvision
import yaml
from PIL import Image

import detection_torch
import repvit_torch
import yolo11_torch

FILL = 114


def demand(what, value, wanted):
    if value != wanted:
        sys.exit(f"train_scenes_torch.py: {what} is {value!r}: only {wanted!r} is done here")


ONLY = {
    "model": dict(name="yolo11_repvit", normalize="none", depth=0.5, nested=False, stem_stride=4),
    "data": dict(resize="letterbox", mean=[0, 0, 0], std=[1, 1, 1]),
    "augment": dict(kind="detection", vflip=0, blend=0, repeats=1),
    "loss": dict(scale=1, topk=10, small_objects=True),
    "optimizer": dict(name="adamw", lr_batch=0, clip_mode="norm", decay_on="weights"),
    "schedule": dict(name="cosine", per="step", cooldown_epochs=0),
    "train": dict(accumulate=1, ema_warmup=True, freeze="none", bn_eval=False),
}


def check(recipe):
    for section, keys in ONLY.items():
        for key, value in keys.items():
            demand(f"{section}.{key}", recipe[section][key], value)


class Scenes:
    """Images [3, side, side] of 0..255 and boxes [n, 5]: class, x1, y1, x2, y2."""

    def __init__(self, path, side):
        path = pathlib.Path(path)
        said = json.loads(path.read_text())
        ranks = {c: i for i, c in enumerate(sorted(c["id"] for c in said["categories"]))}
        self.categories = sorted(ranks)
        self.ids = sorted(i["id"] for i in said["images"])
        files = {i["id"]: i["file_name"] for i in said["images"]}
        boxes = {i: [] for i in self.ids}
        for a in said["annotations"]:
            x, y, w, h = a["bbox"]
            boxes[a["image_id"]].append([ranks[a["category_id"]], x, y, x + w, y + h])
        self.boxes = [numpy.array(boxes[i], dtype=numpy.float32).reshape(-1, 5) for i in self.ids]
        self.images = [numpy.asarray(Image.open(path.parent / files[i]).convert("RGB")) for i in self.ids]
        for image in self.images:
            demand("an image's size", image.shape[:2], (side, side))


def place(image, boxes, scale, shift, limits, side, canvas):
    """Resample an image into `canvas` [side, side, 3]: its point x comes to scale x + shift. limits:
    what of it there is, in pixels of the sample. Returns the boxes that are left."""
    x1, y1 = (max(0, math.floor(limits[i] + 0.5)) for i in range(2))
    x2, y2 = (min(side, math.floor(limits[i + 2] + 0.5)) for i in range(2))
    if x1 < x2 and y1 < y2:
        back = ((x1 - shift[0]) / scale, (y1 - shift[1]) / scale, (x2 - shift[0]) / scale,
                (y2 - shift[1]) / scale)
        height, width = image.shape[:2]
        back = (max(back[0], 0), max(back[1], 0), min(back[2], width), min(back[3], height))
        part = Image.fromarray(image).resize((x2 - x1, y2 - y1), Image.BILINEAR, box=back)
        canvas[y1:y2, x1:x2] = numpy.asarray(part)
    at = boxes.copy()
    for axis in range(2):
        for k in (1 + axis, 3 + axis):
            at[:, k] = (at[:, k] * scale + shift[axis]).clip(limits[axis], limits[axis + 2])
    seen = at.copy()
    seen[:, 1:] = seen[:, 1:].clip(0, side)
    width, height = seen[:, 3] - seen[:, 1], seen[:, 4] - seen[:, 2]
    whole = (at[:, 3] - at[:, 1]) * (at[:, 4] - at[:, 2])
    aspect = numpy.maximum(width / (height + 1e-9), height / (width + 1e-9))
    return seen[(width > 2) & (height > 2) & (width * height > 0.1 * whole) & (aspect < 100)]


def gains(image, amounts, draw):
    """Hue, saturation and value of 8 bits, each with a gain drawn evenly."""
    h, s, v = (draw.uniform(-1, 1) * a for a in amounts)
    hsv = numpy.asarray(Image.fromarray(image).convert("HSV")).astype(numpy.float32)
    hsv[..., 0] = (hsv[..., 0] + h * 256) % 256
    hsv[..., 1] = (hsv[..., 1] * (1 + s)).clip(0, 255)
    hsv[..., 2] = (hsv[..., 2] * (1 + v)).clip(0, 255)
    return numpy.asarray(Image.fromarray(hsv.astype(numpy.uint8), "HSV").convert("RGB"))


def sample(scenes, index, side, augment, mosaic, draw):
    canvas = numpy.full((side, side, 3), FILL, dtype=numpy.uint8)
    scale = draw.uniform(1 - augment["scale"], 1 + augment["scale"])
    middle = [(0.5 + draw.uniform(-1, 1) * augment["translate"]) * side for _ in range(2)]
    kept = []
    if mosaic and draw.random() < augment["mosaic"]:
        meet = [int(draw.uniform(side / 2, 3 * side / 2)) for _ in range(2)]
        chosen = [index] + [draw.randrange(len(scenes.images)) for _ in range(3)]
        corners = [(meet[0] - side, meet[1] - side), (meet[0], meet[1] - side),
                   (meet[0] - side, meet[1]), (meet[0], meet[1])]
        extent, half = 2 * side, side
    else:
        chosen, corners, extent, half = [index], [(0, 0)], side, side / 2
    for which, corner in zip(chosen, corners):
        shift = [scale * (corner[i] - half) + middle[i] for i in range(2)]
        limits = [scale * (max(corner[i], 0) - half) + middle[i] for i in range(2)]
        limits += [scale * (min(corner[i] + side, extent) - half) + middle[i] for i in range(2)]
        kept.append(place(scenes.images[which], scenes.boxes[which], scale, shift, limits, side, canvas))
    boxes = numpy.concatenate(kept)
    canvas = gains(canvas, augment["hsv"], draw)
    if draw.random() < augment["hflip"]:
        canvas = canvas[:, ::-1]
        boxes[:, [1, 3]] = side - boxes[:, [3, 1]]
    return canvas, boxes


def batch_of(samples):
    images = torch.from_numpy(numpy.stack([image for image, _ in samples])).permute(0, 3, 1, 2)
    most = max(1, *(len(boxes) for _, boxes in samples))
    targets = torch.full((len(samples), most, 6), -1.0)
    for row, (_, boxes) in zip(targets, samples):
        row[:len(boxes), :5] = torch.from_numpy(boxes)
        row[:len(boxes), 5] = 0
    return images.float() / 255, targets


def find(model, scenes, batch=50):
    model.eval()
    results = []
    for begin in range(0, len(scenes.ids), batch):
        images = torch.from_numpy(numpy.stack(scenes.images[begin:begin + batch]))
        with torch.no_grad():
            found = model(images.permute(0, 3, 1, 2).float() / 255)
        for i, (boxes, scores) in enumerate(zip(*found)):
            anchor, kind = (scores > 0.001).nonzero().T
            score = scores[anchor, kind]
            keep = torchvision.ops.batched_nms(boxes[anchor], score, kind, 0.7)[:300]
            side = scenes.images[0].shape[0]
            for box, s, k in zip(boxes[anchor][keep].clamp(0, side).tolist(), score[keep].tolist(),
                                 kind[keep].tolist()):
                results.append({"image_id": scenes.ids[begin + i], "category_id": scenes.categories[k],
                                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]], "score": s})
    model.train()
    return results


def average(into, model, decay):
    with torch.no_grad():
        for a, b in zip(into.state_dict().values(), model.state_dict().values()):
            if a.dtype.is_floating_point:
                a.lerp_(b, 1 - decay)


def rate(recipe, step, per_epoch):
    o, s, epochs = recipe["optimizer"], recipe["schedule"], recipe["train"]["epochs"]
    warm, whole = s["warmup_epochs"] * per_epoch, epochs * per_epoch
    if step < warm:
        return s["warmup_lr"] + (o["lr"] - s["warmup_lr"]) * step / warm
    return s["min_lr"] + (o["lr"] - s["min_lr"]) * (1 + math.cos(math.pi * step / whole)) / 2


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("recipe")
    options.add_argument("out", type=pathlib.Path)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    options = options.parse_args()
    recipe = yaml.safe_load(open(options.recipe))
    check(recipe)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    draw = random.Random(options.seed)
    side, run, o = recipe["data"]["input_size"], recipe["train"], recipe["optimizer"]
    train, val = (Scenes(recipe["data"][part], side) for part in ("train", "val"))
    model = yolo11_torch.YOLO11RepViT((recipe["model"]["width"], 0.5, recipe["model"]["max_channels"], False),
                                      recipe["model"]["channels"], recipe["model"]["depths"],
                                      len(train.categories), normalize=False)
    repvit_torch.start(model.backbone)
    kept = copy.deepcopy(model)
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": weights, "weight_decay": o["weight_decay"]},
                                   {"params": others, "weight_decay": 0}], lr=o["lr"],
                                  betas=o["betas"], eps=o["eps"])
    gains_of = [recipe["loss"][k] for k in ("box", "class", "dfl")]
    size, order, step = run["batch_size"], list(range(len(train.images))), 0
    per_epoch = len(order) // size
    model.train()
    for epoch in range(run["epochs"]):
        began, total = time.time(), 0.0
        draw.shuffle(order)
        mosaic = epoch < run["epochs"] - recipe["augment"]["close_mosaic"]
        for b in range(per_epoch):
            images, targets = batch_of([sample(train, i, side, recipe["augment"], mosaic, draw)
                                        for i in order[b * size:(b + 1) * size]])
            for group in optimizer.param_groups:
                group["lr"] = rate(recipe, step, per_epoch)
            distances, boxes, classes = model(images)
            loss = detection_torch.loss(boxes, distances, classes, targets, side, side,
                                        gains=gains_of)["total"]
            optimizer.zero_grad()
            loss.backward()
            if o["clip"]:
                torch.nn.utils.clip_grad_norm_(model.parameters(), o["clip"])
            optimizer.step()
            step += 1
            average(kept, model, min(run["ema_decay"], 1 - step ** (-2 / 3)))
            total += loss.item()
        print(json.dumps({"epoch": epoch, "train_loss": total / per_epoch,
                          "seconds": time.time() - began}), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, network in (("weights", model), ("average", kept)):
        (options.out / f"{name}.json").write_text(json.dumps(find(network, val)))


if __name__ == "__main__":
    main()
