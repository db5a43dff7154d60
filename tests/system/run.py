#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot Pintle in emulators and check what it does: the system tests."""

import argparse
import concurrent.futures
import dataclasses
import importlib
import pathlib
import re
import sys
import tempfile
import threading
import time

import harness
from harness import ROOT, emulator

LOGS = ROOT / "build" / "logs"

# Measured in the host's time, with more CPUs than there are for it.
ALONE = re.compile("vms_beside_linux_by_amd_v")


class Results:
    """Prints a line for each test and counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()  # guards all of it

    def add(self, name, seconds, note):
        """A test has passed."""
        with self._lock:
            self.passed += 1
            print(f"ok   {name} ({seconds:.1f} s)" + (f" [{note}]" if note else ""), flush=True)

    def add_failure(self, name, reason, log):
        """A test has failed."""
        with self._lock:
            self.failed += 1
            print(f"FAIL {name}: {reason}, {log}", flush=True)


def run_case(case, workshop, results, long):
    """Run the tests of one case."""
    bench = harness.Bench(workshop, LOGS / f"{case.name}.log", long)
    failed = False
    try:
        for name, function in case.steps:
            if name not in case.names():
                continue
            if failed:
                results.add_failure(name, "not tried after the failure before it", bench.log)
                continue
            failed = not run_test(name, function, bench, results)
    finally:
        bench.close()


def run_test(name, function, bench, results):
    """Run one test; True when it passed."""
    begin = time.monotonic()
    try:
        note = function(bench)
    except harness.Failure as failure:
        results.add_failure(name, failure, bench.log)
    except Exception as error:  # whatever it is, the other tests go on
        results.add_failure(name, f"{type(error).__name__}: {error}", bench.log)
    else:
        results.add(name, time.monotonic() - begin, note)
        return True
    return False


def choose(pattern, with_long):
    """The cases to run, the dearest first. A step of a group needs the first, which boots."""
    wanted = re.compile(pattern)
    for case in harness.CASES:
        names = [name for name, _ in case.steps]
        chosen = {name for name in names if wanted.search(name)}
        if chosen and (with_long or not case.long) and not (case.last and pattern):
            yield dataclasses.replace(case, chosen=chosen | {names[0]})


def load_tests():
    """Import every file of tests, which fills harness.CASES."""
    for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(path.stem)


def run_cases(cases, options):
    """Run them, some at a time; returns the results."""
    results = Results()
    LOGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pintle-tests-") as folder:
        workshop = harness.Workshop(options.elf, folder)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            try:
                together = [case for case in cases if not case.last and not ALONE.search(case.name)]
                work = [pool.submit(run_case, case, workshop, results, options.long)
                        for case in together]
                for done in concurrent.futures.as_completed(work):
                    done.result()
                for case in sorted(cases, key=lambda case: case.last):
                    if case not in together:
                        run_case(case, workshop, results, options.long)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                emulator.stop_all()
                raise
    return results


def read_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="machines at a time (%(default)s)")
    parser.add_argument("--only", default="", metavar="PATTERN",
                        help="only tests whose name matches this regular expression")
    parser.add_argument("--long", action="store_true", help="also the tests that take long")
    parser.add_argument("--list", action="store_true", help="print the names, run nothing")
    parser.add_argument("--elf", type=pathlib.Path, default=ROOT / "build" / "pintle.elf",
                        help="the image to test (build/pintle.elf)")
    return parser.parse_args()


def main():
    """Run what the command line asks for."""
    options = read_options()
    load_tests()
    cases = sorted(choose(options.only, options.long), key=lambda case: -case.cost)
    if options.list:
        print("\n".join(name for case in cases for name in case.names()))
        return
    if not options.elf.is_file():
        sys.exit(f"no such file: {options.elf} (make it with `make`)")
    emulator.end_on_signals()
    results = run_cases(cases, options)
    print(f"{results.passed} passed, {results.failed} failed")
    sys.exit(0 if results.passed and not results.failed else 1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
