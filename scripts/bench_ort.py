"""Time ONNX Runtime on a file with fixed shapes, as bench_ort.js does by node.

    PYTHON scripts/bench_ort.py FILE.onnx [--threads N] [--steps N] [--int8]

Needs Python's onnxruntime. Prints one JSON object with the names of `weld bench --json` and the mean
of the runs beside their median; three before them warm up. --int8 says what the file is of.
"""
import argparse
import json
import resource
import statistics
import time

import numpy
import onnxruntime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--int8", action="store_true")
    a = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = onnxruntime.InferenceSession(a.file, options, providers=["CPUExecutionProvider"])
    images = session.get_inputs()[0]
    feeds = {images.name: numpy.random.default_rng(0).random(images.shape, numpy.float32)}
    seconds = []
    for i in range(-3, a.steps):
        start = time.perf_counter()
        session.run(None, feeds)
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    print(json.dumps({
        "who": f"ONNX Runtime {onnxruntime.__version__}" + (" int8" if a.int8 else ""),
        "batch": images.shape[0], "threads": a.threads,
        "milliseconds": 1e3 * median,
        "mean_milliseconds": 1e3 * statistics.mean(seconds),
        "images_per_second": images.shape[0] / median,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
