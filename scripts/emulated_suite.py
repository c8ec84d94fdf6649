"""The tests of a build for ARM, each under qemu-aarch64: for scripts/test_arm.

meson runs shell tests as they are, and the programs that these are given would need an emulator that the
kernel knows of. Here they are given scripts of the same names that call it.

    emulated_suite.py --root ROOT [--jobs N] BUILD [TEST]...
"""
import argparse
import concurrent.futures
import json
import os
import stat
import subprocess
import time

LEFT_OUT = {
    "layers": "of sources and objects",
    "format": "of sources",
    "locale": "of sources",
    "silent_bugs": "of sources",
    "symbols": "of objects",
    "cli_install": "builds programs for this machine",
}
SLOWER = 40  # than what a test's limit of time is for
MACHINE_AT, AARCH64 = 18, 183


def is_arm(path):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as f:
        head = f.read(20)
    return head[:4] == b"\x7fELF" and int.from_bytes(head[MACHINE_AT:20], "little") == AARCH64


def wrapper(path, folder, emulator):
    """A script that runs this program, named as it is."""
    os.makedirs(folder, exist_ok=True)
    script = os.path.join(folder, os.path.basename(path))
    if not os.path.exists(script):
        with open(script + ".new", "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec {" ".join(emulator)} {path} "$@"\n')
        os.chmod(script + ".new", stat.S_IRWXU)
        os.replace(script + ".new", script)
    return script


def command_of(test, build, emulator):
    words = [os.path.join(build, w) if is_arm(os.path.join(build, w)) else w for w in test["cmd"]]
    if is_arm(words[0]):
        return emulator + words
    return [wrapper(w, os.path.join(build, "emulated"), emulator) if is_arm(w) else w for w in words]


def run(test, build, emulator):
    begin = time.monotonic()
    environment = dict(os.environ, CK_TIMEOUT_MULTIPLIER=str(SLOWER), CK_DEFAULT_TIMEOUT="600", **test["env"])
    with open(os.path.join(build, "emulated_" + test["name"] + ".log"), "wb") as log:
        try:
            status = subprocess.run(
                command_of(test, build, emulator), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=build, env=environment, timeout=test["timeout"] * SLOWER, check=False).returncode
        except subprocess.TimeoutExpired:
            status = "timed out"
    with open(log.name, "r", encoding="utf-8", errors="replace") as said:
        bad = any(line.startswith("not ok") and "# SKIP" not in line for line in said)
    word = "skipped" if status == 77 else "ok" if status == 0 and not bad else f"FAILS ({status})"
    return test["name"], word, time.monotonic() - begin, log.name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("build")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    emulator = ["qemu-aarch64", "-L", options.root]
    listed = subprocess.run(["meson", "introspect", "--tests", options.build], check=True, capture_output=True)
    tests = json.loads(listed.stdout)
    for name in sorted(t["name"] for t in tests if t["name"] in LEFT_OUT and not options.tests):
        print(f"{name}: left out, {LEFT_OUT[name]}")
    chosen = [t for t in tests if (t["name"] in options.tests if options.tests else t["name"] not in LEFT_OUT)]
    chosen.sort(key=lambda t: options.tests.index(t["name"]) if options.tests else 0)
    counts = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run, t, options.build, emulator) for t in chosen]
        for name, word, seconds, log in (r.result() for r in concurrent.futures.as_completed(runs)):
            print(f"{name}: {word}, {seconds:.0f} s" + (f": {log}" if word.startswith("FAILS") else ""), flush=True)
            counts[word.split()[0]] = counts.get(word.split()[0], 0) + 1
    print(", ".join(f"{n} {word}" for word, n in sorted(counts.items())))
    raise SystemExit(counts.get("FAILS", 0) > 0 or not chosen)


main()
