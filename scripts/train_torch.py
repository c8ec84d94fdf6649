"""Train a network on Fashion-MNIST in PyTorch by one of weld's recipes: the other side of
scripts/show_training and scripts/show_family_training.

    PYTHON scripts/train_torch.py RECIPE.yaml IDX_FOLDER [--seed N] [--threads N]

RECIPE.yaml is the recipe.yaml that `weld train` left in a run's folder: all keys written out. What
of it this script does not do, it refuses. Random numbers are PyTorch's, so a run differs from
weld's as two seeds differ. Prints one JSON line an epoch, as metrics.jsonl has them. PYTHON needs
torch and yaml, and timm where the network is no RepViT.
"""
import argparse
import copy
import gzip
import json
import math
import pathlib
import sys
import time

import torch
import torch.nn.functional as functional
import yaml

import repvit_torch

PADDING = 4


def read_idx(path):
    raw = gzip.open(path).read()
    rank = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    data = torch.frombuffer(bytearray(raw[4 + 4 * rank:]), dtype=torch.uint8)
    return data.reshape(shape)


def demand(what, value, wanted):
    if value != wanted:
        sys.exit(f"train_torch.py: {what} is {value!r}: only {wanted!r} is done here")


# What of these keys is done here.
ONLY = {
    "data": dict(sampling="all"),
    "augment": dict(kind="small", auto_augment="none", three_augment=False, color_jitter=0,
                    mix_mode="batch", erasing_mode="pixel", repeats=1, mixup_off_epoch=0),
    "loss": dict(kind="cross_entropy", class_weights="none"),
    "optimizer": dict(name="adamw", clip_mode="norm", decay_on="weights", head_lr_scale=1,
                      layer_decay=1),
    "schedule": dict(name="cosine", per="step", cooldown_epochs=0),
    "train": dict(accumulate=1, ema_warmup=False, patience=0, freeze="none", bn_eval=False),
}


def check(recipe):
    for section, keys in ONLY.items():
        for key, value in keys.items():
            demand(f"{section}.{key}", recipe[section][key], value)
    demand("loss.distillation.kind", recipe["loss"]["distillation"]["kind"], "none")
    for key in ("dropout", "drop_path"):
        demand("model." + key, recipe["model"][key], 0)


# --- Images -----------------------------------------------------------------------------------


def crop_and_flip(images, hflip):
    """uint8 [n, size, size]: each at a random place of itself padded with black, maybe mirrored."""
    n, size = images.shape[0], images.shape[1]
    padded = functional.pad(images, (PADDING,) * 4)
    rows = torch.randint(0, 2 * PADDING + 1, (n, 1)) + torch.arange(size)
    columns = torch.randint(0, 2 * PADDING + 1, (n, 1)) + torch.arange(size)
    mirrored = torch.rand(n) < hflip
    columns[mirrored] = columns[mirrored].flip(1)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def erase(x, probability):
    """Random erasing (Zhong et al.): area 0.02 to 1/3, aspect 0.3 to 1/0.3, normal noise."""
    height, width = x.shape[2:]
    for i in torch.nonzero(torch.rand(x.shape[0]) < probability)[:, 0].tolist():
        for _ in range(10):
            area = (0.02 + torch.rand(()).item() * (1 / 3 - 0.02)) * height * width
            aspect = math.exp((2 * torch.rand(()).item() - 1) * math.log(1 / 0.3))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                top = torch.randint(0, height - h + 1, ()).item()
                left = torch.randint(0, width - w + 1, ()).item()
                x[i, :, top:top + h, left:left + w] = torch.randn(x.shape[1], h, w)
                break


def mix(x, target, augment):
    """mixup or cutmix of the batch with itself in reverse; in place."""
    mixup, cutmix = augment["mixup"] or 0, augment["cutmix"] or 0
    if mixup + cutmix == 0 or torch.rand(()).item() >= augment["mix_probability"]:
        return target
    switch = augment["cutmix_probability"] if mixup and cutmix else float(cutmix > 0)
    if torch.rand(()).item() < switch:
        lam = torch.distributions.Beta(cutmix, cutmix).sample().item()
        height, width = x.shape[2:]
        side = math.sqrt(1 - lam)
        h, w = int(height * side), int(width * side)
        y, z = torch.randint(0, height, ()).item(), torch.randint(0, width, ()).item()
        y0, y1 = max(y - h // 2, 0), min(y + h // 2, height)
        z0, z1 = max(z - w // 2, 0), min(z + w // 2, width)
        x[:, :, y0:y1, z0:z1] = x.flip(0)[:, :, y0:y1, z0:z1]
        lam = 1 - (y1 - y0) * (z1 - z0) / (height * width)
    else:
        lam = torch.distributions.Beta(mixup, mixup).sample().item()
        x.copy_(x * lam + x.flip(0) * (1 - lam))
    return target * lam + target.flip(0) * (1 - lam)


# --- Training ---------------------------------------------------------------------------------


def make_net(model, classes, size):
    """With what its authors start it from."""
    if model["name"] != "repvit":
        import families_torch
        net, _ = families_torch.make(model["name"], model, classes, size)
        families_torch.start(model["name"], net)
        return net
    net = repvit_torch.RepViT(model["channels"], model["depths"], classes, model["stem_stride"])
    repvit_torch.start(net)
    return net


def rate(recipe, step, steps_per_epoch):
    schedule, optimizer = recipe["schedule"], recipe["optimizer"]
    base = optimizer["lr"]
    if optimizer["lr_batch"]:
        base *= recipe["train"]["batch_size"] / optimizer["lr_batch"]
    warmup = schedule["warmup_epochs"] * steps_per_epoch
    if step < warmup:
        return schedule["warmup_lr"] + (base - schedule["warmup_lr"]) * step / warmup
    phase = math.pi * step / (recipe["train"]["epochs"] * steps_per_epoch)
    return schedule["min_lr"] + 0.5 * (base - schedule["min_lr"]) * (1 + math.cos(phase))


def groups(net, weight_decay):
    weights = [p for n, p in net.named_parameters() if p.ndim > 1 and not n.endswith(".bias")]
    others = [p for n, p in net.named_parameters() if p.ndim <= 1 or n.endswith(".bias")]
    return [{"params": weights, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0}]


def average(ema, net, decay):
    with torch.no_grad():
        for old, new in zip(ema.state_dict().values(), net.state_dict().values()):
            old.copy_(old * decay + new * (1 - decay) if old.is_floating_point() else new)


def is_evaluated(train, epoch):
    every = train["eval_every"]
    return epoch + 1 == train["epochs"] or (every and (epoch + 1) % every == 0)


@torch.no_grad()
def top1(net, images, labels):
    net.eval()
    right = sum((net(x).argmax(1) == y).sum().item()
                for x, y in zip(images.split(500), labels.split(500)))
    net.train()
    return 100 * right / len(labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = yaml.safe_load(open(args.recipe))
    check(recipe)
    augment, optimizer, train = recipe["augment"], recipe["optimizer"], recipe["train"]
    mean, std = recipe["data"]["mean"][0], recipe["data"]["std"][0]

    def normalise(images):
        x = (images.float() / 255 - mean) / std
        return x[:, None].expand(-1, 3, -1, -1).contiguous()

    images = read_idx(args.images / "train-images-idx3-ubyte.gz")
    labels = read_idx(args.images / "train-labels-idx1-ubyte.gz").long()
    val_images = normalise(read_idx(args.images / "t10k-images-idx3-ubyte.gz"))
    val_labels = read_idx(args.images / "t10k-labels-idx1-ubyte.gz").long()
    classes = int(labels.max()) + 1

    net = make_net(recipe["model"], classes, images.shape[1])
    ema = copy.deepcopy(net)
    adamw = torch.optim.AdamW(groups(net, optimizer["weight_decay"] or 0), lr=0,
                              betas=optimizer["betas"], eps=optimizer["eps"])
    batch = train["batch_size"]
    steps_per_epoch = len(images) // batch
    step = 0
    for epoch in range(train["epochs"]):
        begin, total = time.time(), 0.0
        order = torch.randperm(len(images))
        for i in range(steps_per_epoch):
            chosen = order[i * batch:(i + 1) * batch]
            x = normalise(crop_and_flip(images[chosen], augment["hflip"]))
            erase(x, augment["random_erasing"] or 0)
            smoothing = recipe["loss"]["label_smoothing"] or 0
            target = functional.one_hot(labels[chosen], classes).float()
            target = target * (1 - smoothing) + smoothing / classes
            target = mix(x, target, augment)
            for group in adamw.param_groups:
                group["lr"] = rate(recipe, step, steps_per_epoch)
            adamw.zero_grad()
            loss = functional.cross_entropy(net(x), target)
            loss.backward()
            if optimizer["clip"]:
                torch.nn.utils.clip_grad_norm_(net.parameters(), optimizer["clip"])
            adamw.step()
            if train["ema_decay"]:
                average(ema, net, train["ema_decay"])
            step += 1
            total += loss.item()
        row = {"kind": "epoch", "epoch": epoch, "step": step,
               "train_loss": total / steps_per_epoch}
        if is_evaluated(train, epoch):
            row["top1"] = top1(net, val_images, val_labels)
            row["ema_top1"] = top1(ema, val_images, val_labels) if train["ema_decay"] else None
        row["seconds"] = time.time() - begin
        print(json.dumps(row), flush=True)


main()
