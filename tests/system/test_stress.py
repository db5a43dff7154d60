# SPDX-License-Identifier: GPL-2.0-only
"""Linux under load, as the service VM: IPIs, timers and page-table changes on all CPUs (stress.c).

Each machine of test_service.py has the same as a step, for a minute where time allows.
"""

import re

import service
from harness import add_group, check

SLOWNESS = {"qemu": 4, "bochs": 110}  # seconds of ours that a second of the guest may take


def stress(bench, seconds):
    """For so many seconds of the guest, with CPUs that go and come back; what was done."""
    setup = bench.machine.setup
    said = bench.guest.run(f"stress {seconds} plug", 60 + seconds * SLOWNESS[setup.emulator])
    counts = re.search(r"(\d+) timers, (\d+) turns, (\d+) mappings, (\d+) plugs, 0 fau", said)
    check(counts, f"stress says: {said.strip()!r}")
    used = counts.groups() if setup.cpus > 1 else counts.groups()[:3]
    check(all(int(count) > 0 for count in used), f"not all was tried: {said.strip()!r}")
    check(int(bench.guest.run("nproc")) == setup.cpus, "a CPU is missing")
    return f"{seconds} s: {counts.group()[:-7]}"


def add_machine(name, seconds, cost, **setup):
    """Add the group for one machine, where the stress takes so many seconds of the guest."""
    def linux_comes_up(bench):
        """The first step: it starts the machine."""
        service.start(bench, memory=512, **setup)

    def linux_stands_ipis_timers_and_page_table_changes(bench):
        """The program itself checks what it sees."""
        return stress(bench, seconds)

    def its_log_has_no_warning(bench):
        """After that."""
        bench.guest.check_log()

    add_group(name, [linux_comes_up, linux_stands_ipis_timers_and_page_table_changes,
                     its_log_has_no_warning], cost=cost)


add_machine("stress_by_amd_v_on_four_cpus", 20, 25, cpus=4)
add_machine("stress_by_vt_x_on_two_cpus", 3, 90, emulator="bochs", cpus=2)
