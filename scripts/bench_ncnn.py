"""Time ncnn on an ONNX file of batch 1, as bench_ort.py does ONNX Runtime.

    PYTHON scripts/bench_ncnn.py FILE.onnx [--threads N] [--steps N] [--precision fp32|bf16]

Needs Python's ncnn and pnnx, by which the file is converted; in bf16 activations and weights are kept
so. ncnn computes an image at a time. Prints one JSON object with the names of `weld bench --json` and
the mean of the runs beside their median; three before them warm up.
"""
import argparse
import json
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import ncnn
import numpy


def converted(file, folder):
    """The net of an ONNX file, and the shape of its images."""
    onnx = folder / "net.onnx"
    shutil.copy(file, onnx)
    pnnx = pathlib.Path(sys.executable).parent / "pnnx"
    # The weights stay float32, and the shape is the file's.
    text = subprocess.run([pnnx, onnx, "fp16=0"], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False).stdout
    shape = re.search(r"inputshape = \[([0-9,]+)\]f32", text)
    if not shape or not (folder / "net.ncnn.param").exists():
        sys.exit(f"bench_ncnn.py: {file}: pnnx does not convert it: {text[-200:]}")
    return [folder / f"net.ncnn.{end}" for end in ("param", "bin")], list(
        map(int, shape[1].split(",")))


def loaded(files, a):
    net = ncnn.Net()
    net.opt.num_threads = a.threads
    net.opt.use_vulkan_compute = False
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic"):
        setattr(net.opt, f"use_{option}", False)
    net.opt.use_bf16_storage = a.precision == "bf16"
    if net.load_param(str(files[0])) or net.load_model(str(files[1])):
        sys.exit(f"bench_ncnn.py: {a.file}: ncnn does not load it")
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files, shape = converted(a.file, pathlib.Path(folder))
        if shape[0] != 1:
            sys.exit(f"bench_ncnn.py: {a.file}: has batch {shape[0]}: ncnn computes an image at a time")
        net = loaded(files, a)
    images = ncnn.Mat(numpy.random.default_rng(0).random(shape[1:], numpy.float32))
    seconds = []
    for i in range(-3, a.steps):
        start = time.perf_counter()
        with net.create_extractor() as extractor:
            extractor.input("in0", images)
            status, out = extractor.extract("out0")
        if i >= 0:
            seconds.append(time.perf_counter() - start)
        if status or not numpy.isfinite(numpy.array(out)).all():
            sys.exit(f"bench_ncnn.py: {a.file}: ncnn does not compute it ({status})")
    median = statistics.median(seconds)
    print(json.dumps({
        "who": f"ncnn {ncnn.__version__}" + (" bf16" if a.precision == "bf16" else ""),
        "batch": 1, "threads": a.threads, "milliseconds": 1e3 * median,
        "mean_milliseconds": 1e3 * statistics.mean(seconds), "images_per_second": 1 / median,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
