#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run all of Pintle's tests, a line for each, and end with "N passed, N failed".

Checks of the tree and the build come first, then the unit tests and fuzz targets on the host, then the system tests in
emulators (tests/system). A failed step prints what it said.
"""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZED = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Counts:
    """What passed and failed so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()  # guards all of it

    def add(self, name, passed, failed, seconds, output=""):
        """Note the outcome of one step, and show its output if it failed."""
        verdict = "FAIL" if failed else "ok  "
        with self._lock:
            self.passed += passed
            self.failed += failed
            print(f"{verdict} {name} ({passed} passed, {failed} failed, {seconds:.1f} s)", flush=True)
            if failed:
                print(output, flush=True)


def run(command):
    """Run a command in the tree's root; its status, output and seconds."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout, time.monotonic() - start


def check(counts, name, *command):
    """A step that is one test."""
    status, output, seconds = run(command)
    counts.add(name, int(status == 0), int(status != 0), seconds, output)
    return status == 0


def unit_tests(counts):
    """Each unit test program, counted by cmocka's own closing lines."""
    for source in sorted((ROOT / "tests/unit").glob("test_*.c")):
        status, output, seconds = run([f"build/unit/{source.stem}"])
        passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", output)))
        failed = sum(map(int, re.findall(r"\[  FAILED  \] +(\d+) test", output)))
        if status != 0 and failed == 0:
            failed = 1  # a sanitizer's abort, or a crash
        if status == 0 and passed == 0:
            failed = 1  # a program that tests nothing
        counts.add(f"unit: {source.stem}", passed, failed, seconds, output)


def fuzz_targets(counts, seconds):
    """Each fuzz target for so long, two at a time."""
    def fuzz(source):
        check(counts, f"fuzz: {source.stem} finds nothing in {seconds} s", "sh", "tools/fuzz.sh",
              f"build/unit/{source.stem}", str(seconds))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(fuzz, sorted((ROOT / "tests/fuzz").glob("fuzz_*.c"))))


def system_tests(counts, long):
    """The system tests print their own lines; only their closing line is read."""
    command = [sys.executable, "tests/system/run.py"] + (["--long"] if long else [])
    with subprocess.Popen(command, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE) as process:
        last = ""
        for line in process.stdout:
            last = line.strip() or last
            if not re.fullmatch(r"\d+ passed, \d+ failed", last):
                print(line, end="", flush=True)
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if match is None:
        counts.add("system tests ran to their end", 0, 1, 0.0, last)
        return
    counts.passed += int(match[1])
    counts.failed += int(match[2])


def main():
    """All steps in order; the exit status says whether all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="with the long runs")
    arguments = parser.parse_args()
    counts = Counts()

    if check(counts, "the packages are there", "sh", "tools/deps.sh"):
        check(counts, "gcc and clang build debug and release without a warning", "make", "-j2", "builds")
        check(counts, "the image builds", "make", "iso")
        check(counts, "pintle-vmm builds", "make", "vmm")
        check(counts, "pintle.ko builds for both kernels without a warning", "make", "module")
        check(counts, "size is within the limits", "make", "size")
        check(counts, "includes follow the layers", "make", "layers")
        check(counts, "the sources are formatted", "make", "format-check")
        check(counts, "the generated documents are up to date", "make", "docs-check")
        check(counts, "every file has a licence line", "sh", "tools/licences.sh")
        if check(counts, "the unit tests build", "make", "-j2", "unit-build"):
            unit_tests(counts)
        fuzz_targets(counts, 120 if arguments.long else 6)
        system_tests(counts, arguments.long)
    print(f"{counts.passed} passed, {counts.failed} failed")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
