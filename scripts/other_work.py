"""A busy machine, for scripts that measure or test on one: processes that take cores from others, and
a quota of cores.

Each process is a process group of its own, so that it is ended with all that it started; it also ends by
itself when whoever started it is gone.
"""
import itertools
import json
import os
import pathlib
import random
import shlex
import signal
import subprocess

SPINS = 300_000  # about ten milliseconds between two looks at the parent
TICKS = os.sysconf("SC_CLK_TCK")


def spin():
    """Work for Other: keeps a core busy."""
    for _ in range(SPINS):
        pass


class Compile:
    """Work for Other: compiles one file of a built tree after the other at -O2, as its build does it;
    one that fails ends it."""

    def __init__(self, tree, output):
        self.folder = tree / "build"
        listed = json.loads((self.folder / "compile_commands.json").read_text(encoding="utf-8"))
        commands = [self._command(entry["command"], output) for entry in listed
                    if entry["file"].startswith("../src/")]
        random.Random(0).shuffle(commands)  # hot loops take longer than others and stand together
        self.commands = itertools.cycle(commands)

    @staticmethod
    def _command(text, output):
        words, kept = shlex.split(text), []
        while words:
            word = words.pop(0)
            if word in ("-o", "-MQ", "-MF"):
                words.pop(0)
            elif word not in ("ccache", "-MD") and not word.startswith("-O"):
                kept.append(word)
        return kept + ["-O2", "-o", str(output)]

    def __call__(self):
        subprocess.run(next(self.commands), cwd=self.folder, check=True,
                       env={**os.environ, "CCACHE_DISABLE": "1"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Other:
    """A process that calls `work` again and again until end(). apart: in a session of its own, which
    Linux weighs as one against the session of the rest (autogroup), whatever `nice` says."""

    def __init__(self, work, nice=0, apart=False):
        ready, started = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(parent, work, nice, apart, started)
        os.close(started)
        os.read(ready, 1)  # in its group, and as nice as it is to be
        os.close(ready)
        self._alive = True

    @staticmethod
    def _run(parent, work, nice, apart, started):
        status = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            if apart:
                os.setsid()
            else:
                os.setpgid(0, 0)
            os.nice(nice)
            os.write(started, b".")
            while os.getppid() == parent:
                work()
            status = 0
        finally:
            os._exit(status)

    def is_alive(self):
        self._alive = self._alive and os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        return self._alive

    def seconds(self):
        """Processor time of its group so far."""
        return sum(ticks for group, ticks in _processes() if group == self.pid) / TICKS

    def end(self):
        if self.is_alive():
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._alive = False


def _processes():
    """Of every process its group and its ticks with those of its children that have ended."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        yield int(fields[2]), sum(map(int, fields[11:15]))


class Quota:
    """A control group whose processes get so many cores together (version 1, or 2)."""

    def __init__(self, cores):
        period = 100_000  # microseconds
        quota = int(cores * period)
        version1 = {"cpu.cfs_period_us": period, "cpu.cfs_quota_us": quota}
        version2 = {"cpu.max": f"{quota} {period}"}
        for root, settings in (("cpu", version1), ("cpu,cpuacct", version1), ("", version2),
                               ("unified", version2)):
            root = pathlib.Path("/sys/fs/cgroup", root)
            self.folder = root / f"weld_{os.getpid()}"
            if self._make(root, settings):
                return
        raise OSError("no control group with a quota of processor time can be made here")

    def _make(self, root, settings):
        try:
            if "cpu.max" in settings:
                (root / "cgroup.subtree_control").write_text("+cpu", encoding="ascii")
            self.folder.mkdir()
        except OSError:
            return False
        try:
            for name, value in settings.items():
                (self.folder / name).write_text(str(value), encoding="ascii")
        except OSError:
            self.folder.rmdir()
            return False
        return True

    def enter(self):
        """In the process to be measured, before its program starts."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def end(self):
        self.folder.rmdir()
