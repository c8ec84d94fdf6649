#!/usr/bin/python3
"""Time PyTorch on a training step of RepViT, or on inference of the merged network.

    scripts/bench_torch.py MODEL [--train] [--batch N] [--size N] [--threads N] [--steps N]
                           [--precision fp32|bf16] [--channels-last] [--compile]
    scripts/bench_torch.py MODEL --save FILE.pth

The step is that of `weld bench --train`: forward, backward and AdamW on noise, smoothed labels. bf16 is
autocast. Inference is traced and optimised. MODEL is a RepViT, a CMT, fashion_mnist (the network of
recipes/fashion_mnist.yaml) or, where timm is installed, one of its names. Prints one JSON object with the names of `weld bench --json`, and the mean
beside the median; both are of the steps after two that warm up. --save writes an untrained network's
weights instead.
"""
import argparse
import json
import resource
import sys
import time

sys.dont_write_bytecode = True
import torch
from torch import nn

import cmt_torch
from repvit_torch import VARIANTS, RepViT, merge


def network(name):
    if name == "fashion_mnist":
        return RepViT([24, 48, 96], [1, 1, 2], classes=10, stem_stride=2)
    for known, channels, depths, legacy in VARIANTS:
        if known == name:
            return RepViT(channels, depths, legacy=legacy)
    if name in cmt_torch.VARIANTS:
        return cmt_torch.CMT(*cmt_torch.VARIANTS[name])
    try:
        import timm
    except ImportError:
        sys.exit(f"bench_torch.py: {name}: no RepViT or CMT, and there is no timm")
    return timm.create_model(name)


def merged(model):
    """As its authors' code merges it; batch norms are folded by optimize_for_inference."""
    if isinstance(model, RepViT):
        return merge(model)
    if hasattr(model, "pretrained_cfg"):
        from timm.utils.model import reparameterize_model
        return reparameterize_model(model)
    return model


def training(model, images, precision):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.025)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    classes = list(model.parameters())[-1].numel()  # the head's bias
    labels = torch.arange(len(images)) % classes

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        loss(logits.float(), labels).backward()
        optimizer.step()

    return step


@torch.no_grad()
def inference(model, images, precision):
    model = merged(model.eval())
    if precision == "fp32":
        model = torch.jit.optimize_for_inference(torch.jit.trace(model, images))

    @torch.no_grad()
    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            model(images)

    return step


def time_steps(step, count):
    seconds = []
    for i in range(-2, count):
        start = time.perf_counter()
        step()
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    return sorted(seconds)[count // 2], sum(seconds) / count


def options(text, batch, size):
    """What bench_detector_torch.py is asked, too."""
    parser = argparse.ArgumentParser(description=text.split("\n", maxsplit=1)[0])
    parser.add_argument("model")
    parser.add_argument("--save")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--size", type=int, default=size)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    return parser


def measure(a, step, who=f"PyTorch {torch.__version__}"):
    """Time a step and print the result."""
    seconds, mean = time_steps(step, a.steps)
    print(json.dumps({
        "who": who + (" channels-last" if a.channels_last else "") +
               (" compiled" if a.compile else "") + (" bf16" if a.precision == "bf16" else ""),
        "precision": a.precision, "batch": a.batch, "size": a.size, "threads": a.threads,
        "milliseconds": 1e3 * seconds, "mean_milliseconds": 1e3 * mean,
        "images_per_second": a.batch / seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def main():
    a = options(__doc__, 1, 224).parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    model = network(a.model)
    if a.save:
        torch.save(model.state_dict(), a.save)
        return
    layout = torch.channels_last if a.channels_last else torch.contiguous_format
    images = torch.randn(a.batch, 3, a.size, a.size).contiguous(memory_format=layout)
    model = model.to(memory_format=layout)
    if a.compile:
        model = torch.compile(model)
    measure(a, (training if a.train else inference)(model, images, a.precision))


if __name__ == "__main__":
    main()
