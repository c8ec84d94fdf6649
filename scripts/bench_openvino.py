"""Time OpenVINO on an ONNX file with fixed shapes, as bench_ort.py does ONNX Runtime.

    PYTHON scripts/bench_openvino.py FILE.onnx [--threads N] [--steps N] [--precision fp32|bf16]

Needs Python's openvino. Prints one JSON object with the names of `weld bench --json` and the mean of
the runs beside their median; three before them warm up.
"""
import argparse
import json
import resource
import statistics
import time

import numpy
import openvino


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    a = parser.parse_args()
    # It computes in bf16 unasked where the processor has it: say which.
    settings = {"INFERENCE_NUM_THREADS": a.threads, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[a.precision]}
    model = openvino.Core().compile_model(a.file, "CPU", settings)
    shape = tuple(model.inputs[0].shape)
    images = numpy.random.default_rng(0).random(shape, numpy.float32)
    request = model.create_infer_request()
    seconds = []
    for i in range(-3, a.steps):
        start = time.perf_counter()
        request.infer([images])
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    version = openvino.__version__.split("-", maxsplit=1)[0]
    print(json.dumps({
        "who": f"OpenVINO {version}" + (" bf16" if a.precision == "bf16" else ""),
        "batch": shape[0], "threads": a.threads, "milliseconds": 1e3 * median,
        "mean_milliseconds": 1e3 * statistics.mean(seconds),
        "images_per_second": shape[0] / median,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
