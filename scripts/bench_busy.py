"""Time two builds of weld and their peers on a busy machine; called by scripts/bench_busy, which says
what for.

Every measurement is a process of its own. A round measures each program in each state on each work,
the programs one after the other, in reverse in every second round; the table has the medians over the
rounds, and the medians of the rounds' ratios. Where a step takes a good part of a second (training of
M0.9, inference at batch 32) its speed is the median of some; where a step is shorter than the turns
that the system gives (training of the small network, one image) it is the mean over seconds, since a
median would not see what the others take.

Loads are in the session of what is measured, or with --apart each in one of its own. That matters
where Linux groups by session (kernel.sched_autogroup_enabled): each session gets the same share, and
niceness counts only within one.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from other_work import TICKS, Compile, Other, Quota, spin

SCRIPTS = pathlib.Path(__file__).resolve().parent
FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
CPUS = len(os.sched_getaffinity(0))
LIMIT = 300      # seconds for one measurement
UNQUIET = 0.1    # cores of others beside the load: more is told
QUOTA = 1.5      # cores
WARM_UP = 10     # updates of the small network that do not count


class Failed(Exception):
    """A measurement that cannot be had, and why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- States of the machine --------------------------------------------------------------------------


class State:
    """The machine with what else it does, while the `with` lasts."""

    def __init__(self, name, a):
        self.name, self.title, self.a = name, STATES[name], a
        self.loads, self.quota = [], None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        if self.name == "quota":
            self.quota = Quota(QUOTA)
        works = {"one": [(spin, 0)], "all": [(spin, 0)] * CPUS, "low": [(spin, 15)] * CPUS}
        if self.name == "compiler":
            works["compiler"] = [(Compile(self.a.trees[0], self.a.folder / "compiled.o"), 0)]
        for work, nice in works.get(self.name, []):
            self.loads.append(Other(work, nice, self.a.apart))

    def __exit__(self, *_):
        for load in self.loads:
            load.end()
        if self.quota:
            self.quota.end()

    def check(self):
        if not all(load.is_alive() for load in self.loads):
            sys.exit(f"bench_busy: {self.title}: what was to keep the machine busy has ended")


STATES = {"quiet": "quiet", "one": "one core busy", "low": f"low priority, {CPUS} processes",
          "compiler": "a compiler", "quota": f"quota of {QUOTA} cores", "all": "all cores busy"}


class Watch:
    """How many cores others use meanwhile: neither what is measured, nor the load."""

    def __init__(self, state):
        self.state = state
        self.before = self._seconds()

    def _seconds(self):
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, stolen = map(int, file.readline().split()[1:9])
        ours = sum(load.seconds() for load in self.state.loads)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            ours += usage.ru_utime + usage.ru_stime
        busy = (user + nice + system + irq + softirq + stolen) / TICKS
        return time.monotonic(), busy - ours

    def others(self):
        """Since it began, in cores."""
        now = self._seconds()
        return (now[1] - self.before[1]) / (now[0] - self.before[0])


# --- Programs and work ------------------------------------------------------------------------------


def run(command, state=None, stop_after=None):
    """Its standard output, and the seconds it took; stop_after: it is interrupted after so many."""
    command = list(map(str, command))
    enter = state.quota.enter if state and state.quota else None
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=enter) as process:
        try:
            out, err = communicate(process, stop_after)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command)}: not done in {LIMIT} s") from None
        finally:
            process.kill()
    if process.returncode != 0:
        reason = err.strip().splitlines() or [f"exit status {process.returncode}"]
        raise Failed(f"{' '.join(command)}: {reason[-1]}")
    return out, time.monotonic() - start


def communicate(process, stop_after):
    if stop_after:
        try:
            return process.communicate(timeout=stop_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    return process.communicate(timeout=LIMIT)


class Weld:
    """A build with a number of threads."""

    def __init__(self, tree, name, threads=None):
        self.program = tree / "build/src/cli/weld"
        self.name = name + (f", {threads} thread" if threads else "")
        self.threads = ["--threads", threads] if threads else []

    def bench(self, state, *options):
        out, seconds = run([self.program, "bench", *options, "--json", *self.threads], state)
        return json.loads(out), seconds


class Peer:
    """PyTorch in training, ONNX Runtime in inference; what is not there has no speeds."""

    name = "peer"

    def __init__(self):
        python = os.environ.get("PYTHON")
        self.torch = self._having([python, SCRIPTS / "bench_torch.py"], [python, "-c", "import torch"])
        self.runtime = self._having([python, SCRIPTS / "bench_ort.py"],
                                    [python, "-c", "import onnxruntime"])
        self.runtime = self.runtime or self._having(["node", SCRIPTS / "bench_ort.js"],
                                                    ["node", "-e", "require('onnxruntime-node')"])
        self.names = set()

    @staticmethod
    def _having(command, trial):
        try:
            return command if trial[0] and run(trial) else None
        except (OSError, Failed):
            return None

    def _bench(self, command, state, options):
        if not command:
            return None
        result = json.loads(run([*command, *options, "--threads", CPUS], state)[0])
        self.names.add(result["who"])
        return result

    def train(self, state, *options):
        return self._bench(self.torch, state, [*options, "--train", "--channels-last"])

    def infer(self, state, *options):
        return self._bench(self.runtime, state, options)


class TrainSmall:
    """`weld train` of the quickstart's network on its data, for some seconds; PyTorch's has its images
    ready."""

    title = "training fashion_mnist 28, batch 128"
    batch = 128

    def __init__(self, a):
        self.a, self.seconds, self.steps = a, 2 if a.quick else 4, 4 if a.quick else 16
        if not os.path.isdir(FASHION_MNIST):
            raise Failed(f"{FASHION_MNIST} is not there (Debian's dataset-fashion-mnist)")
        for split in ("train", "t10k"):
            run([a.trees[0] / "build/src/cli/weld", "pack", FASHION_MNIST, "--split", split, "--classes",
                 SCRIPTS.parent / "data/fashion_mnist_classes.txt", "-o", a.folder / f"{split}.h5"])

    def weld(self, weld, state):
        out = self.a.folder / "run"
        settings = {"data.train": self.a.folder / "train.h5", "data.val": self.a.folder / "t10k.h5",
                    "train.epochs": 3, "train.eval_every": 0, "train.batch_size": self.batch}
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        try:
            run([weld.program, "train", SCRIPTS.parent / "recipes/fashion_mnist.yaml", "--out", out,
                 *sets, *weld.threads], state, self.seconds)
            lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [row for row in map(json.loads, lines) if row["kind"] == "step"][WARM_UP:]
            if not rows:
                raise Failed(f"{weld.name}: no updates in {self.seconds} s")
        finally:
            shutil.rmtree(out, ignore_errors=True)
        return len(rows) / sum(1 / row["images_per_second"] for row in rows)

    def peer(self, peer, state):
        result = peer.train(state, "fashion_mnist", "--size", 28, "--batch", self.batch, "--steps",
                            self.steps)
        return result and 1e3 * self.batch / result["mean_milliseconds"]


class TrainLarge:
    def __init__(self, a):
        self.size = a.size
        self.title = f"training repvit_m0_9 {a.size}, batch 32"

    def weld(self, weld, state):
        return weld.bench(state, "repvit_m0_9", "--train", "--batch", 32, "--size", self.size,
                          "--steps", 3)[0]["images_per_second"]

    def peer(self, peer, state):
        result = peer.train(state, "repvit_m0_9", "--batch", 32, "--size", self.size, "--steps", 1)
        return result and result["images_per_second"]


class Infer:
    """The merged network, by weld's file and by the ONNX file that weld makes of it."""

    def __init__(self, a, batch, steps):
        self.batch, self.steps = batch, steps
        self.title = f"inference repvit_m0_9 224, batch {batch}"
        self.network, self.onnx = a.folder / "m.h5", a.folder / f"batch{batch}.onnx"
        run([a.make_network, "repvit_m0_9", self.network])
        run([a.trees[0] / "build/src/cli/weld", "export", self.network, "--batch", batch, "-o",
             self.onnx])

    def bench(self, weld, state, steps):
        return weld.bench(state, self.network, "--batch", self.batch, "--steps", steps)

    def weld(self, weld, state):
        return self.bench(weld, state, self.steps)[0]["images_per_second"]

    def peer(self, peer, state):
        result = peer.infer(state, self.onnx, "--steps", self.steps)
        return result and result["images_per_second"]


class InferOne(Infer):
    """One image: `weld bench` tells only a median, so the mean is taken from the time of the process,
    less that of its start on a quiet machine."""

    def __init__(self, a, steps):
        super().__init__(a, 1, steps)
        self.start = {weld: min(self._start(weld) for _ in range(3)) for weld in a.builds}

    def _start(self, weld):
        result, seconds = self.bench(weld, None, 1)
        return seconds - 3e-3 * result["milliseconds"]

    def weld(self, weld, state):
        _, seconds = self.bench(weld, state, self.steps)
        return (self.steps + 2) / (seconds - self.start[weld])

    def peer(self, peer, state):
        result = peer.infer(state, self.onnx, "--steps", self.steps)
        return result and 1e3 / result["mean_milliseconds"]


WORKS = {"small": TrainSmall, "train": TrainLarge,
         "batch1": lambda a: InferOne(a, 20 if a.quick else 200),
         "batch32": lambda a: Infer(a, 32, 2 if a.quick else 5)}


# --- Measuring and telling --------------------------------------------------------------------------


class Table:
    """Speeds by work, state and program, one a round."""

    def __init__(self, programs):
        self.programs, self.speeds, self.unquiet, self.count = programs, {}, [], 0

    def measure(self, title, work, state, program):
        watch = Watch(state)
        try:
            speed = (work.peer if isinstance(program, Peer) else work.weld)(program, state)
        except Failed as reason:
            say(f"bench_busy: {reason}")
            speed = None
        state.check()
        others = watch.others()
        note = f", others took {others:.2f} cores" if others > UNQUIET else ""
        self.count += 1
        self.unquiet += [others] if note else []
        self.speeds.setdefault((work, state.name, program), []).append(speed)
        if speed:
            say(f"{title}, {work.title}, {state.title}, {program.name}: {number(speed)} "
                f"images/s{note}")

    def median(self, work, state, program):
        speeds = self.speeds.get((work, state, program), [None])
        return statistics.median(speeds) if None not in speeds else None

    def ratio(self, a, b):
        """Median of the rounds' ratios."""
        pairs = list(zip(self.speeds.get(a, []), self.speeds.get(b, [])))
        if not pairs or None in sum(pairs, ()):
            return ""
        return f"{statistics.median(x / y for x, y in pairs):.2f}"

    def write(self, works, states):
        old, new, _, new_one, *_ = self.programs
        names = [p.name for p in self.programs]
        print("| work | state | " + " | ".join(names) +
              " | new / quiet new | new / new, 1 thread | new / old |")
        print("|---" * (len(names) + 5) + "|")
        for work in works:
            for state in states:
                key = (work, state)
                cells = [work.title, STATES[state]]
                cells += [number(self.median(*key, p)) for p in self.programs]
                cells += [self.ratio((*key, new), (work, "quiet", new)),
                          self.ratio((*key, new), (*key, new_one)),
                          self.ratio((*key, new), (*key, old))]
                print("| " + " | ".join(cells) + " |")
        print()
        if self.unquiet:
            print(f"Not quiet: others took more than {UNQUIET} cores in {len(self.unquiet)} of "
                  f"{self.count} measurements, at most {max(self.unquiet):.2f}.")
        else:
            print(f"Others took less than {UNQUIET} cores in each of {self.count} measurements.")


def number(speed):
    if speed is None:
        return ""
    return f"{speed:.3g}" if speed < 100 else f"{speed:.0f}"


def machine(a):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if "model name" in line), "?")
    try:
        with open("/proc/sys/kernel/sched_autogroup_enabled", encoding="ascii") as file:
            grouped = "on" if file.read().strip() == "1" else "off"
    except OSError:
        grouped = "not there"
    whose = "in sessions of their own" if a.apart else "in the session of what is measured"
    return f"{model}, {CPUS} cpus; loads {whose}, autogroup {grouped}; images/s"


def chosen(kinds):
    def words(text):
        names = text.split(",")
        wrong = [name for name in names if name not in kinds]
        if wrong:
            raise argparse.ArgumentTypeError(f"{wrong[0]}: not one of {', '.join(kinds)}")
        return names
    return words


def options():
    p = argparse.ArgumentParser(prog="scripts/bench_busy", usage="%(prog)s [OPTION]... OLD NEW",
                                description="Time two builds of weld on a busy machine.")
    for name in ("--make-network", "--folder"):
        p.add_argument(name, type=pathlib.Path, help=argparse.SUPPRESS)
    p.add_argument("--trees", type=pathlib.Path, nargs=2, help=argparse.SUPPRESS)
    p.add_argument("--rounds", type=int, metavar="N", help="(3)")
    p.add_argument("--states", type=chosen(STATES), metavar="LIST",
                   default=["quiet", "one", "low", "compiler", "quota"],
                   help=f"of {', '.join(STATES)} (all but the last)")
    p.add_argument("--work", type=chosen(WORKS), metavar="LIST", default=list(WORKS),
                   help=f"of {', '.join(WORKS)} (all)")
    p.add_argument("--apart", action="store_true", help="loads in sessions of their own")
    p.add_argument("--no-peers", action="store_true", help="weld only")
    p.add_argument("--quick", action="store_true", help="one short round: does it go through?")
    a = p.parse_args()
    a.rounds = a.rounds or (1 if a.quick else 3)
    a.size = 64 if a.quick else 224
    return a


def can(make, *arguments):
    """What can be had of it; None, and said why, where it cannot."""
    try:
        return make(*arguments)
    except (Failed, OSError) as reason:
        say(f"bench_busy: left out: {reason}")
        return None


def can_state(a, name):
    with State(name, a):
        return name


def main():
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    a = options()
    old, new = a.trees
    a.builds = [Weld(old, "old"), Weld(new, "new"), Weld(old, "old", 1), Weld(new, "new", 1)]
    peer = None if a.no_peers else Peer()
    programs = a.builds + ([peer] if peer and (peer.torch or peer.runtime) else [])
    states = [name for name in a.states if can(can_state, a, name)]
    works = [work for work in (can(WORKS[name], a) for name in a.work) if work]
    table = Table(programs)
    begin = time.monotonic()
    for i in range(a.rounds):
        for work in works:
            for name in states:
                with State(name, a) as state:
                    for program in programs[::-1] if i % 2 else programs:
                        table.measure(f"round {i + 1}", work, state, program)
    print(machine(a) + (f"; peers {', '.join(sorted(peer.names))}" if peer and peer.names else ""))
    print(f"{a.rounds} rounds in {time.monotonic() - begin:.0f} s\n")
    table.write(works, states)
    sys.exit(any(None in table.speeds[key] for key in table.speeds if key[2] is not peer))


if __name__ == "__main__":
    main()
