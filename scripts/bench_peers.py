"""Time weld and its peers alternately; called by scripts/bench_peers, which says what for.

Every measurement is a process of its own, which warms up and takes a median. A round measures each
contender once, one after the other, so that what else goes on in the machine hits all of them; the
table has the medians over the rounds, and the median of the rounds' ratios.
"""
import argparse
import json
import os
import pathlib
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SCRIPTS = pathlib.Path(__file__).resolve().parent
PHOTO = SCRIPTS.parent / "tests/fixtures/images/baseline_420.jpg"


class Contender:
    """A program that does one work and says how fast: its name in the table and its command. Of
    several alternatives, the fastest of a round counts; those that were far behind in the first
    round run no more."""

    FAR = 0.7  # of the fastest's speed

    def __init__(self, *commands):
        self.commands = list(commands)
        self.name, self.speeds, self.bytes = None, [], []
        self.unquiet = 0  # rounds in which the machine was not quiet, as weld says

    def measure(self):
        """One round; false where the program cannot do this."""
        results = [(measure(command), command) for command in self.commands]
        results = [(result, command) for result, command in results if result]
        if not results:
            return False
        best = max((result for result, _ in results), key=lambda r: r["images_per_second"])
        self.commands = [command for result, command in results
                         if result["images_per_second"] > self.FAR * best["images_per_second"]]
        self.name = best.get("who", "weld")
        self.speeds.append(best["images_per_second"])
        self.bytes.append(best["peak_bytes"])
        self.unquiet += best.get("quiet") is False
        return True


def measure(command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout)
    reason = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    print(f"bench_peers: {' '.join(map(str, command))}: {reason[-1]}", file=sys.stderr)
    return None


def speed_text(contender, batch):
    speed = statistics.median(contender.speeds)
    text = f"{speed:.3g}" if speed < 100 else f"{speed:.0f}"
    return f"{text} images/s" + (f" ({1e3 / speed:.2f} ms)" if batch == 1 else "")


def memory_text(contender):
    return f"{statistics.median(contender.bytes) / 1e6:.0f} MB"


class Table:
    """Measures and prints a row at a time."""

    def __init__(self, rounds):
        self.rounds = rounds
        print("| network | work | weld | fastest peer | ratio | won | memory of weld | of the peer |")
        print("|---|---|---|---|---|---|---|---|", flush=True)

    def row(self, network, work, batch, weld, peer):
        for _ in range(self.rounds):
            if not weld.measure():
                print(f"| {network} | {work} | not in this version | | | | | |", flush=True)
                return
            if peer and not peer.measure():
                peer = None
        cells = [network, work, speed_text(weld, batch), "", "", "", memory_text(weld), ""]
        if peer:
            ratio = statistics.median(w / p for w, p in zip(weld.speeds, peer.speeds))
            cells[3] = f"{peer.name}: {speed_text(peer, batch)}"
            cells[4], cells[7] = f"{ratio:.2f} x", memory_text(peer)
            cells[5] = "weld" if ratio > 1 else f"**{peer.name[:re.search('[0-9]', peer.name).start()].strip()}**"
        print("| " + " | ".join(cells) + " |", flush=True)
        if weld.unquiet:
            print(f"bench_peers: {network}, {work}: the machine was not quiet in {weld.unquiet} of "
                  f"{self.rounds} rounds", file=sys.stderr)


class Network:
    """A model at a size, with the commands that measure it."""

    def __init__(self, arguments, model, size, folder):
        self.a, self.model, self.size, self.folder = arguments, model, size, folder
        self.text = f"{model} {size}"

    def weld(self, what, batch, threads, precision, *more):
        return Contender([self.a.weld, "bench", what, "--json", "--batch", batch, "--threads",
                          threads, "--steps", self.steps(batch), "--precision", precision, *more])

    def torch_script(self):
        return SCRIPTS / ("bench_detector_torch.py" if self.model.startswith("yolo11") else
                          "bench_torch.py")

    def torch(self, batch, threads, precision, *more):
        """In fp32, and where weld computes in bf16, in that too; Ultralytics where it is installed
        and has the network."""
        command = [self.a.python, self.torch_script(), self.model, "--batch", batch,
                   "--size", self.size, "--threads", threads, "--steps", self.steps(batch), *more]
        commands = [command, command + ["--channels-last"]]
        if self.model.removeprefix("yolo11") in ("n", "s", "m") and self.has("ultralytics"):
            commands += [c + ["--ultralytics"] for c in commands]
        if self.a.compile:
            commands.append(command + ["--channels-last", "--compile"])
        if precision == "bf16":
            commands += [c + ["--precision", "bf16"] for c in commands]
        return Contender(*commands)

    def ort(self, onnx, *more):
        """ONNX Runtime, Python's where it is installed, else node's."""
        return [*([self.a.python, SCRIPTS / "bench_ort.py"] if self.has("onnxruntime")
                  else ["node", SCRIPTS / "bench_ort.js"]), onnx, *more]

    def runtimes(self, onnx, threads, batch, precision):
        """ONNX Runtime; OpenVINO and ncnn where they are, in fp32 and where weld computes in bf16, in
        that too."""
        more = ["--threads", threads, "--steps", self.steps(batch)]
        commands = [self.ort(onnx, *more)]
        precisions = [["--precision", p] for p in sorted({"fp32", precision})]
        if self.has("openvino"):
            openvino = [self.a.python, SCRIPTS / "bench_openvino.py", onnx, *more]
            commands += [openvino + p for p in precisions]
        if self.has("ncnn"):
            single = ["--threads", threads, "--steps", self.steps(1)]
            _, onnx = self.merged(1)  # an image at a time
            commands += [[self.a.python, SCRIPTS / "bench_ncnn.py", onnx, *single, *p]
                         for p in precisions]
        return Contender(*commands)

    def int8_runtimes(self, threads, batch):
        """ONNX Runtime on weld's file of integers; OpenVINO on that, and on what NNCF makes of the
        float one, with the rest in fp32 or bf16. ncnn has no program in its package that quantises."""
        _, onnx = self.quantized(batch)
        more = ["--threads", threads, "--steps", self.steps(batch), "--int8"]
        yield Contender(self.ort(onnx, *more))
        if self.has("openvino"):
            script = [self.a.python, SCRIPTS / "bench_openvino.py"]
            files = [onnx]
            if self.has("nncf"):
                files.append(self.folder / f"nncf_batch{batch}.xml")
                if not files[1].exists():
                    run([*script, self.merged(batch)[1], "--quantize", files[1]])
            commands = [[*script, file, *more] for file in files]
            yield Contender(*(c + ["--precision", p] for c in commands for p in ("fp32", "bf16")))

    def has(self, module):
        """True where Python has MODULE."""
        return subprocess.run([self.a.python, "-c", f"import {module}"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    def steps(self, batch):
        """Enough for a median, in seconds."""
        pixels = batch * self.size * self.size / 224 / 224
        return (3 if self.a.quick else 7) if pixels > 4 else (10 if self.a.quick else 60)

    def train(self, table, threads, precision):
        batch = self.a.batch
        size = ["--train", "--size", self.size]
        table.row(self.text, f"training step {precision}, batch {batch}, {threads} threads", batch,
                  self.weld(self.model, batch, threads, precision, *size),
                  self.torch(batch, threads, precision, "--train"))

    def merged(self, batch):
        """The files to measure inference by: weld's and, of fixed batch, ONNX."""
        weld, onnx = self.folder / "merged.h5", self.folder / f"batch{batch}.onnx"
        if not weld.exists():
            weights = self.folder / ("w.safetensors" if self.model.startswith("yolo11") else "w.pth")
            imported = self.folder / "imported.h5"
            run([self.a.python, self.torch_script(), self.model, "--save", weights])
            run([self.a.weld, "import", weights, "--model", self.model, "--size", self.size, "-o",
                 imported])
            run([self.a.weld, "reparam", imported, "-o", weld])
        if not onnx.exists():
            run([self.a.weld, "export", weld, "--batch", batch, "-o", onnx])
        return weld, onnx

    def quantized(self, batch):
        """Of integers: weld's file and ONNX. They are calibrated on noise: what it says is not asked."""
        weld, onnx = self.folder / "int8.h5", self.folder / f"int8_batch{batch}.onnx"
        photos = self.folder / "noise"
        if not weld.exists():
            photos.mkdir()
            for i in range(32):
                write_noise(photos / f"{i}.png", self.size, i)
            run([self.a.weld, "quantize", self.merged(1)[0], "--data", photos, "-o", weld])
        if not onnx.exists():
            run([self.a.weld, "export", weld, "--batch", batch, "-o", onnx])
        return weld, onnx

    def int8(self, table, batch, threads):
        """A row for each peer."""
        weld, _ = self.quantized(batch)
        for peer in self.int8_runtimes(threads, batch):
            command = [self.a.weld, "bench", weld, "--json", "--batch", batch, "--threads", threads,
                       "--steps", self.steps(batch)]
            table.row(self.text, f"inference int8, batch {batch}, {threads} threads", batch,
                      Contender(command), peer)

    def inference(self, table, batch, threads, precision):
        if precision == "int8":
            self.int8(table, batch, threads)
            return
        weld, onnx = self.merged(batch)
        table.row(self.text, f"inference {precision}, batch {batch}, {threads} threads", batch,
                  self.weld(weld, batch, threads, precision),
                  self.runtimes(onnx, threads, batch, precision))

    def predict(self, rounds):
        """Milliseconds from the start of `weld predict` to its end."""
        weld, _ = self.merged(1)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            run([self.a.weld, "predict", weld, PHOTO])
            times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times)


def write_noise(path, size, seed):
    """A PNG of colours at random."""
    pixels = random.Random(seed).randbytes(3 * size * size)
    rows = b"".join(b"\0" + pixels[i:i + 3 * size] for i in range(0, len(pixels), 3 * size))

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))

    header = struct.pack(">2I5B", size, size, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
                     chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def run(command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench_peers: {' '.join(map(str, command))}: {done.stdout.strip()}")


def words(text):
    return text.split(",")


def numbers(text):
    return [int(word) for word in words(text)]


def options():
    cpus = len(os.sched_getaffinity(0))
    p = argparse.ArgumentParser(prog="scripts/bench_peers",
                                description="Time weld, PyTorch, ONNX Runtime, "
                                            "OpenVINO and ncnn alternately.")
    p.add_argument("--weld", default="build/src/cli/weld", help=argparse.SUPPRESS)
    p.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    p.add_argument("--models", type=words, default=["repvit_m0_9"], metavar="NAME,...")
    p.add_argument("--sizes", type=numbers, default=[224], metavar="N,...")
    p.add_argument("--works", type=words, default=["train", "inference", "predict"],
                   metavar="WORK,...", help="of train, inference, predict (all)")
    p.add_argument("--precisions", type=words, default=["fp32", "bf16"], metavar="P,...",
                   help="weld's; PyTorch trains and OpenVINO and ncnn compute in the faster of "
                        "fp32 and this, ONNX Runtime in fp32; int8: inference alone, beside ONNX "
                        "Runtime's and OpenVINO's (fp32,bf16)")
    p.add_argument("--batch", type=int, default=32, metavar="N",
                   help="of training and of inference beside 1 (32)")
    p.add_argument("--threads", type=numbers, metavar="N,...", default=sorted({1, cpus}),
                   help="of inference; training takes the last (1 and all)")
    p.add_argument("--compile", action="store_true", help="PyTorch by torch.compile, too")
    p.add_argument("--scaling", action="store_true", help="training with each of --threads")
    p.add_argument("--rounds", type=int, metavar="N", help="(5)")
    p.add_argument("--quick", action="store_true", help="two short rounds: a first look")
    a = p.parse_args()
    a.rounds = a.rounds or (2 if a.quick else 5)
    return a


def measure_network(a, network, table):
    if "train" in a.works:
        for precision in (p for p in a.precisions if p != "int8"):
            for threads in a.threads if a.scaling else a.threads[-1:]:
                network.train(table, threads, precision)
    if "inference" in a.works:
        for precision in a.precisions:
            works = [(1, t) for t in a.threads] + [(a.batch, a.threads[-1])]
            for batch, threads in dict.fromkeys(works):
                network.inference(table, batch, threads, precision)


def main():
    a = options()
    table = Table(a.rounds)
    predicted = []
    for model in a.models:
        for size in a.sizes:
            with tempfile.TemporaryDirectory() as folder:
                network = Network(a, model, size, pathlib.Path(folder))
                measure_network(a, network, table)
                if "predict" in a.works:
                    predicted.append((network.text, network.predict(4 * a.rounds)))
    print()
    for text, milliseconds in predicted:
        print(f"`weld predict` of one photo, {text}, from start to answer: {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
