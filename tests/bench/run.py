#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What Pintle costs, in instructions that Bochs counts (its time stamp counter ticks once an instruction)."""

import argparse
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

import harness  # noqa: E402 pylint: disable=wrong-import-position
import test_guests  # noqa: E402 pylint: disable=wrong-import-position

# The limits that are kept: name of a figure by VT-x -> instructions.
LIMITS = {"cpuid": 250}


def exits(bench, name, machine):
    """Run the few-byte guest that measures exits; prints and returns its figures."""
    running = test_guests.start(bench, "exits", **machine)
    running.wait_for("bench: done", test_guests.SECONDS["bochs"])
    figures = {key: int(value) for key, value in re.findall(r"bench: (\w+) (\d+)", running.screen.text)}
    for key, value in figures.items():
        print(f"{name:6} {key:20} {value:8}")
    return figures


def main():
    """Run what was asked for; the exit status says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts whose names contain this: exits")
    options = parser.parse_args()
    bad = []
    with tempfile.TemporaryDirectory(prefix="pintle-bench-") as folder:
        logs = ROOT / "build" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        workshop = harness.Workshop(ROOT / "build" / "pintle.elf", folder)
        bench = harness.Bench(workshop, logs / "bench.log")
        try:
            if options.only in "exits":
                figures = exits(bench, "VT-x", test_guests.INTEL_IN_BOCHS)
                exits(bench, "AMD-V", test_guests.AMD_IN_BOCHS)
                bad += [f"{key} takes {figures[key]} instructions, not {limit}" for key, limit in LIMITS.items()
                        if figures[key] > limit]
        finally:
            bench.close()
    for text in bad:
        print(f"FAIL {text}")
    return 1 if bad else 0


if __name__ == "__main__":
    harness.emulator.end_on_signals()
    sys.exit(main())
