# SPDX-License-Identifier: GPL-2.0-only
"""Service VMs of few bytes (tests/calls) that try each hypercall, and run guests of their own."""

import importlib.util
import re

from harness import PROMPT, ROOT, check, test
from test_guests import AMD_IN_BOCHS, AMD_IN_QEMU, INTEL_IN_BOCHS, SECONDS, SUMMARY, run_guest

CALLS = ROOT / "tests" / "calls"
KINDS = (("amd_v_in_qemu", AMD_IN_QEMU), ("vt_x_in_bochs", INTEL_IN_BOCHS),
         ("amd_v_in_bochs", AMD_IN_BOCHS))
TWO_CPUS = ("cpus",)
SILENT = ("info: action=ignore",)  # a line for each interrupt of a vCPU costs Bochs more than the vCPU

_spec = importlib.util.spec_from_file_location("calls_build", CALLS / "build.py")
calls_build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(calls_build)


def setup_of(name, machine):
    """What the machine is for this program."""
    cpus = 2 if name in TWO_CPUS else 1
    extra = tuple(line.replace("count=1", f"count={cpus}") for line in machine.get("extra", ()))
    extra += SILENT if machine is not AMD_IN_QEMU else ()
    return {**machine, "cpus": cpus, "extra": extra, "build": calls_build.build}


def add_program(name):
    """One test for each kind of machine."""
    for kind, machine in KINDS:
        if name in TWO_CPUS and machine is AMD_IN_BOCHS:
            continue  # it takes no host interrupt while the service VM has them off
        def run(bench, setup=setup_of(name, machine)):
            return run_guest(bench, name, setup, 5 if setup["cpus"] > 1 else 1)
        run.__name__ = f"hypercalls_{name}_pass_by_{kind}"
        run.__doc__ = f"tests/calls/{name}.c"
        test(run, cost=3 if machine is not AMD_IN_QEMU else 1)


def restart_with_guests(bench, machine):
    """The second life finds nothing of the first, and the third nothing of the second."""
    run_guest(bench, "left", setup_of("left", machine))
    running = bench.machine
    for _ in range(2):
        vms = running.command("vms")
        check(vms.count("guest") == 3, f"not three guests: {vms!r}")
        running.send_line("restart")
        said = running.wait_for(SUMMARY, SECONDS[running.setup.emulator])
        check(said.group(2) == "0", said.group())
        running.send(b"\x1c")
        running.wait_for(PROMPT, running.command_seconds())


@test
def a_restart_ends_all_guests_by_amd_v(bench):
    """tests/calls/left.c"""
    restart_with_guests(bench, AMD_IN_QEMU)


@test(cost=3)
def a_restart_ends_all_guests_by_vt_x(bench):
    """tests/calls/left.c"""
    restart_with_guests(bench, INTEL_IN_BOCHS)


@test
def every_hypercall_is_tried(_bench):
    """Each row of abi/hypercalls.def is called by name in tests/calls."""
    rows = re.findall(r"^HYPERCALL\(\d+, (\w+),", (ROOT / "abi/hypercalls.def").read_text(), re.M)
    text = "".join(path.read_text() for path in CALLS.glob("*.c"))
    untried = [name for name in rows if f"CALL({name}," not in text and name != "QUERY"]
    check(rows and not untried, f"nobody calls {untried}")
    return f"{len(rows)} hypercalls"


for program in calls_build.names():
    add_program(program)
