# SPDX-License-Identifier: GPL-2.0-only
"""The service VM drives the whole machine: Debian's kernel, started by Pintle from GRUB's modules.

One group of tests for each machine; on each, the same Linux has run without Pintle before.
"""

import functools

import compare
import service
from harness import add_group, check, test
from test_stress import stress

MEMORY_KIB = 64 * 1024  # how much less than natively Linux may find


def linux_runs_without_pintle(bench, setup):
    """For comparison. The first step: it starts the machine."""
    guest = service.start(bench, "generic", native=True, devices=True, **setup)
    bench.native = compare.look(guest)
    service.power_off(bench)


def linux_runs_on_every_cpu(bench, setup):
    """And each of its drivers loads."""
    guest = service.start(bench, "generic", devices=True, **setup)
    bench.ours = compare.look(guest)
    check(guest.cpus == setup["cpus"], f"{guest.cpus} CPUs of {setup['cpus']} are online")
    return guest.release


def linux_has_the_memory_of_a_native_boot(bench):
    """Less what Pintle holds."""
    missing = bench.native.memory - bench.ours.memory
    check(abs(missing) <= MEMORY_KIB,
          f"Linux finds {bench.ours.memory} KiB, natively {bench.native.memory} KiB")
    return f"{missing // 1024} MiB less"


def files_on_each_disk_are_read_back(bench):
    """By the disk's own driver and interrupt: MSI and MSI-X, in Bochs a pin."""
    used = [service.use_disk(bench, name) for name in service.disks(bench)]
    return "interrupts: " + ", ".join(used)


def a_file_comes_over_the_network_unchanged(bench):
    """By e1000e and MSI-X, in Bochs by e1000 and a pin."""
    return service.use_network(bench)


def each_cpu_goes_and_comes_back(bench):
    """Linux' hot-unplug: INIT and SIPI again and again."""
    guest = bench.guest
    for cpu in [*range(1, guest.cpus)] * 2:
        guest.run(f"echo 0 > /sys/devices/system/cpu/cpu{cpu}/online")
        check(int(guest.run("nproc")) == guest.cpus - 1, f"CPU {cpu} stays")
        guest.run(f"echo 1 > /sys/devices/system/cpu/cpu{cpu}/online")
        check(int(guest.run("nproc")) == guest.cpus, f"CPU {cpu} does not come back")
        check(guest.run(f"taskset {1 << cpu:x} echo ran") == "ran\n", f"CPU {cpu} runs nothing")


def linux_stands_ipis_timers_and_page_table_changes(bench):
    """For a minute where time allows."""
    return stress(bench, 60 if bench.long else 2)


def the_kernel_log_is_clean(bench):
    """After all that."""
    bench.guest.check_log()


def a_refused_sleep_is_over_at_once(bench):
    """S3: Linux has all its CPUs and devices again."""
    bench.guest.run("echo deep > /sys/power/mem_sleep && echo mem > /sys/power/state", 60)
    check(int(bench.guest.run("nproc")) == bench.guest.cpus, "a CPU is missing")
    service.use_disk(bench, next(iter(service.disks(bench))))
    bench.guest.check_log()


def reboot_in_linux_starts_everything_anew(bench):
    """Firmware, GRUB, Pintle and Linux: three times in a row where time allows."""
    times = 3 if bench.long else 1
    for _ in range(times):
        bench.machine.send(b"reboot -f\n")
        bench.machine.wait_for("a microhypervisor", service.up_seconds(bench.machine))
        service.up_again(bench)
    return "once" if times == 1 else f"{times} times"


def poweroff_in_linux_switches_the_machine_off(bench):
    """Through ACPI."""
    service.power_off(bench)


def linux_finds_what_it_finds_natively(bench):
    """Log, devices, interrupts, CPU: what differs is explained in differences.txt."""
    changes = compare.unexplained(bench.native, bench.ours)
    check(not changes, "not explained in differences.txt:\n  " + "\n  ".join(changes))
    return f"{len(bench.ours.lines)} lines"


def add_machine(emulator, firmware, cpus, memory, long, cost):
    """Add the group of tests for one machine."""
    setup = {"emulator": emulator, "firmware": firmware, "cpus": cpus, "memory": memory}

    def with_setup(function):
        return functools.update_wrapper(functools.partial(function, setup=setup), function)

    add_group(f"{emulator}_{firmware}_{cpus}_cpus_{memory}_mib", [
        with_setup(linux_runs_without_pintle),
        with_setup(linux_runs_on_every_cpu),
        linux_has_the_memory_of_a_native_boot,
        files_on_each_disk_are_read_back,
        a_file_comes_over_the_network_unchanged,
        *([each_cpu_goes_and_comes_back] if cpus > 1 else []),
        linux_stands_ipis_timers_and_page_table_changes,
        the_kernel_log_is_clean,
        linux_finds_what_it_finds_natively,
        *([a_refused_sleep_is_over_at_once] if cpus == 2 else []),
        reboot_in_linux_starts_everything_anew, poweroff_in_linux_switches_the_machine_off,
    ], long=long, cost=cost)


@test(last=True)
def every_explained_difference_is_there(_):
    """So that differences.txt keeps nothing that is no longer true."""
    left = compare.unused()
    check(not left, "not needed in differences.txt:\n  " + "\n  ".join(left))


# In the default run each number of CPUs and each size of memory meets both kinds of firmware.
COUNTS, SIZES = (1, 2, 4), (512, 2048, 6144)
for row, count in enumerate(COUNTS):
    for column, size in enumerate(SIZES):
        for which, kind in enumerate(("bios", "uefi")):
            add_machine("qemu", kind, count, size, long=column != (row + which) % len(SIZES),
                        cost=30 + count)
add_machine("bochs", "bios", 1, 512, long=False, cost=100)
add_machine("bochs", "bios", 2, 512, long=True, cost=200)
