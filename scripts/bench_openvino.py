"""Time OpenVINO on an ONNX file with fixed shapes, as bench_ort.py does ONNX Runtime.

    PYTHON scripts/bench_openvino.py FILE [--threads N] [--steps N] [--precision fp32|bf16] [--int8]
    PYTHON scripts/bench_openvino.py FILE.onnx --quantize OUT.xml

--int8: the file is of integers, and precision what the rest is computed in. --quantize: NNCF makes such a
file of one of floats, by noise. Needs Python's openvino, and nncf for that. Prints one JSON object with the names of `weld bench --json` and the mean of
the runs beside their median; three before them warm up.
"""
import argparse
import json
import resource
import statistics
import time

import numpy
import openvino


def quantize(model, path):
    import nncf
    draw = numpy.random.default_rng(1)
    images = [draw.random(tuple(model.inputs[0].shape), numpy.float32) for _ in range(8)]
    openvino.save_model(nncf.quantize(model, nncf.Dataset(images), subset_size=len(images)), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--quantize", metavar="OUT.xml")
    a = parser.parse_args()
    # It computes in bf16 unasked where the processor has it: say which.
    settings = {"INFERENCE_NUM_THREADS": a.threads, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[a.precision]}
    core = openvino.Core()
    if a.quantize:
        quantize(core.read_model(a.file), a.quantize)
        return
    model = core.compile_model(a.file, "CPU", settings)
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
    kind = [" int8" * a.int8, " bf16" * (a.precision == "bf16")]
    print(json.dumps({
        "who": f"OpenVINO {version}" + "".join(kind),
        "batch": shape[0], "threads": a.threads, "milliseconds": 1e3 * median,
        "mean_milliseconds": 1e3 * statistics.mean(seconds),
        "images_per_second": shape[0] / median,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
