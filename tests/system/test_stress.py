# SPDX-License-Identifier: GPL-2.0-only
"""Linux under load, as the service VM: IPIs, timers and page-table changes on all CPUs (stress.c)."""

import re

import service
from harness import add_group, check

SLOWNESS = {"qemu": 4, "bochs": 110}  # seconds of ours that a second of the guest may take


def add_machine(name, seconds, cost, long=False, **setup):
    """Add the group for one machine, where the stress takes so many seconds of the guest."""
    def linux_comes_up(bench):
        """The first step: it starts the machine."""
        service.start(bench, memory=512, **setup)

    def linux_stands_ipis_timers_and_page_table_changes(bench):
        """With CPUs that go and come back meanwhile; the program itself checks what it sees."""
        said = bench.guest.run(f"stress {seconds} plug",
                               60 + seconds * SLOWNESS[bench.machine.setup.emulator])
        counts = re.search(r"(\d+) timers, (\d+) turns, (\d+) mappings, (\d+) plugs, 0 fau", said)
        check(counts, f"stress says: {said.strip()!r}")
        used = counts.groups() if setup["cpus"] > 1 else counts.groups()[:3]
        check(all(int(count) > 0 for count in used), f"not all was tried: {said.strip()!r}")
        return f"{seconds} s: {counts.group()[:-7]}"

    def its_log_has_no_warning(bench):
        """And each CPU is there again."""
        bench.guest.check_log()
        check(int(bench.guest.run("nproc")) == setup["cpus"], "a CPU is missing")

    add_group(name, [linux_comes_up, linux_stands_ipis_timers_and_page_table_changes,
                     its_log_has_no_warning], long=long, cost=cost)


add_machine("stress_by_amd_v_on_two_cpus", 60, 60, long=True, cpus=2)
add_machine("stress_by_amd_v_on_four_cpus", 60, 60, cpus=4)
add_machine("stress_by_vt_x_on_two_cpus", 3, 90, emulator="bochs", cpus=2)
add_machine("a_minute_of_stress_by_vt_x_on_one_cpu", 60, 500, long=True, emulator="bochs", cpus=1)
add_machine("a_minute_of_stress_by_vt_x_on_two_cpus", 60, 900, long=True, emulator="bochs", cpus=2)
