# SPDX-License-Identifier: GPL-2.0-only
"""The monitor beside a Linux that waits, works, floods the line, has crashed, or is restarted."""

import hashlib
import random
import re
import time

import service
import test_guests
from harness import PROMPT, add_group, check, test


def add_machine(name, cost, long=False, **setup):
    """Add the group for one machine."""
    def the_escape_key_reaches_the_monitor(bench):
        """While Linux waits for a key. The first step: it starts the machine."""
        service.start(bench, arguments="panic=0", memory=512, **setup)
        check(bench.guest.cpus == setup["cpus"], f"{bench.guest.cpus} CPUs are online")
        service.to_monitor(bench.machine)
        service.check_monitor(bench.machine)

    add_group(name, [
        the_escape_key_reaches_the_monitor,
        the_escape_key_goes_back_to_linux,
        a_long_line_of_keys_reaches_linux,
        a_fast_paste_reaches_linux_whole,
        the_monitor_answers_while_linux_is_busy,
        the_monitor_answers_while_linux_floods_the_line,
        garbage_for_the_monitor_does_not_reach_linux,
        a_paused_linux_stands_still_and_goes_on,
        an_nmi_reaches_each_cpu_of_a_busy_linux,
        the_kernel_log_is_clean,
        the_monitor_answers_after_linux_crashed,
        restart_boots_linux_again,
        poweroff_in_linux_switches_the_machine_off,
    ], long=long, cost=cost)


def the_escape_key_goes_back_to_linux(bench):
    """And Linux has not noticed."""
    service.to_guest(bench.machine)
    check(bench.guest.run("echo $((6 * 7))") == "42\n", "Linux answers something else")


def a_long_line_of_keys_reaches_linux(bench):
    """More at once than its UART's FIFO takes, and no further key behind the last."""
    for _ in range(20 if bench.long else 5):
        check(bench.guest.run("echo " + "x" * 200) == "x" * 200 + "\n", "keys are missing")


def is_slow(bench):
    """Is the line slow, and the run not to be long? Bochs is given 80 bytes a second (tools/emulator.py)."""
    return bench.machine.setup.emulator == "bochs" and not bench.long


def a_fast_paste_reaches_linux_whole(bench):
    """Faster than any real line: QEMU's has no speed of its own."""
    lines = 16 if is_slow(bench) else 64
    text = "".join(f"{number:063}\n" for number in range(lines)).encode()
    bench.machine.send(b"head -c %d | sha256sum\n" % len(text))
    begin = time.monotonic()
    bench.machine.send(text)
    _, digest = bench.guest.answer(10 * bench.machine.command_seconds())
    check(digest.split()[:1] == [hashlib.sha256(text).hexdigest()], "something else came")
    return f"{len(text)} bytes in {time.monotonic() - begin:.2f} s"


def keep_busy(bench):
    """An endless loop on each CPU, until calm()."""
    for cpu in range(bench.guest.cpus):
        bench.guest.run(f"taskset {1 << cpu:x} sh -c 'while :; do :; done' &")


def calm(bench):
    """End the loops."""
    bench.guest.run("killall sh", 120)


def the_monitor_answers_while_linux_is_busy(bench):
    """An endless loop on each CPU."""
    keep_busy(bench)
    service.to_monitor(bench.machine)
    service.check_monitor(bench.machine)
    service.to_guest(bench.machine)
    calm(bench)


def the_monitor_answers_while_linux_floods_the_line(bench):
    """And of the flood nothing is missing afterwards but what came before the last 8 KiB."""
    machine = bench.machine
    lines = 3000
    begin = len(machine.screen.text)
    machine.send(f"yes flood | head -n {lines}\n".encode())
    machine.wait_for("flood\nflood\n", machine.command_seconds())
    service.to_monitor(machine)
    service.check_monitor(machine)
    service.to_guest(machine)
    ended = re.search(r"=(\d+)=DONE\n", machine.screen.text[begin:])  # before the keys were the monitor's
    status = int(ended[1]) if ended else bench.guest.answer(2 * machine.command_seconds())[0]
    check(status == 0, f"the flood ended with status {status}")
    text = machine.screen.text[begin:]
    missing = lines - text.count("flood")
    kept = text[text.rindex("[service VM; "):].count("flood")
    check(missing <= 3 or kept >= 8192 // len("flood\r\n") - 1, f"{missing} lines are missing, {kept} were kept")


def garbage_for_the_monitor_does_not_reach_linux(bench):
    """Long lines, control bytes, NULs and bytes from 0x80 on; all but the escape key itself."""
    machine = bench.machine
    service.to_monitor(machine)
    generator = random.Random(3)
    usual = bytes(set(range(256)) - {*service.ESCAPE})
    part = 4 if is_slow(bench) else 1
    pieces = (b"x" * (3000 // part), bytes(500 // part), bytes(range(128, 256)) * (4 // part),
              bytes(range(1, 28)) * (20 // part), bytes(generator.choices(usual, k=2000 // part)))
    for number, piece in enumerate(pieces):
        machine.send(piece)
        machine.insist(f"loglevel {number}", f'"{number}" is no level')
    machine.wait_for(PROMPT, machine.command_seconds())
    service.check_monitor(machine)
    service.to_guest(machine)
    check(bench.guest.run("echo still here") == "still here\n", "Linux answers something else")


def a_paused_linux_stands_still_and_goes_on(bench):
    """Where it is, in the middle of its work."""
    machine = bench.machine
    keep_busy(bench)
    service.to_monitor(machine)
    for _ in range(5):
        machine.command("pause")
        first, second = (machine.command("regs 0") for _ in range(2))
        check(first == second and "rip" in first, "a paused vCPU moves")
        check("paused" in machine.command("vcpus"), "vcpus does not say that it is paused")
        machine.command("resume")
        check("paused" not in machine.command("vcpus"), "vcpus says that it is paused still")
    service.to_guest(machine)
    calm(bench)


def an_nmi_reaches_each_cpu_of_a_busy_linux(bench):
    """Linux wonders, and goes on."""
    machine = bench.machine
    keep_busy(bench)
    before = bench.guest.interrupts("^ *NMI:")
    for wanted in range(1, 4):
        service.to_monitor(machine)
        for cpu in range(bench.guest.cpus):
            machine.command(f"nmi {cpu}")
        service.to_guest(machine)
        # One that still waits would take a second one in, as on any CPU.
        for _ in range(100):
            count = bench.guest.interrupts("^ *NMI:") - before
            if count == wanted * bench.guest.cpus:
                break
        check(count == wanted * bench.guest.cpus, f"{count} NMIs came to Linux")
    calm(bench)


def the_kernel_log_is_clean(bench):
    """After all that."""
    bench.guest.check_log()


def the_monitor_answers_after_linux_crashed(bench):
    """A kernel panic that waits for ever."""
    bench.machine.send(b"dmesg -n 7; echo c > /proc/sysrq-trigger\n")
    bench.machine.wait_for("end Kernel panic", bench.machine.command_seconds())
    service.to_monitor(bench.machine)
    service.check_monitor(bench.machine)


def restart_boots_linux_again(bench):
    """Without the machine's firmware."""
    bench.machine.send_line("restart")
    service.up_again(bench)
    bench.guest.check_log()


def poweroff_in_linux_switches_the_machine_off(bench):
    """Through ACPI."""
    service.power_off(bench)


add_machine("the_monitor_beside_linux_by_amd_v", 20, cpus=2)
add_machine("the_monitor_beside_linux_by_vt_x", 60, emulator="bochs", cpus=1)
add_machine("the_monitor_beside_linux_by_vt_x_on_two_cpus", 120, long=True, emulator="bochs",
            cpus=2)


# A guest that never takes an interrupt again.


def loop_without_interrupts(bench, machine):
    """tests/guest/ends/cli.S: the monitor is reachable, can stop it and start it again."""
    running = test_guests.start(bench, "cli", **machine)
    for _ in range(2):
        running.wait_for("busy with interrupts off", test_guests.SECONDS[running.setup.emulator])
        service.to_monitor(running)
        service.check_monitor(running)
        first = running.command("regs 0")
        check("rip" in first, "regs shows nothing")
        # The next command may be there before the machine has got around to running the guest.
        check(any(running.command("regs 0") != first for _ in range(10)), "the guest does not run")
        running.command("pause")
        check("paused" in running.command("vcpus"), "it cannot be paused")
        running.command("resume")
        running.send_line("restart")


@test
def a_loop_without_interrupts_does_not_lock_the_monitor_out_by_amd_v(bench):
    """In QEMU."""
    loop_without_interrupts(bench, test_guests.AMD_IN_QEMU)


@test(cost=10)
def a_loop_without_interrupts_does_not_lock_the_monitor_out_by_vt_x(bench):
    """In Bochs."""
    loop_without_interrupts(bench, test_guests.INTEL_IN_BOCHS)


# Restart while the devices are at work.


def linux_works_on_its_disks(bench):
    """The first step: it starts the machine."""
    service.start(bench, "generic", cpus=2, memory=512, devices=True)
    for name in service.disks(bench):
        service.make_file_system(bench, name)
        bench.guest.run("echo kept > /mnt/kept; sync; umount /mnt")


def restart_survives_disk_traffic(bench):
    """What the disks were told to write to memory must not hit the next Linux."""
    times = 10 if bench.long else 2
    for _ in range(times):
        for name in service.disks(bench):
            bench.guest.run(f"while :; do dd if=/dev/{name} of=/dev/null bs=64k iflag=direct;"
                            " done 2> /dev/null &")
            bench.guest.run(f"while :; do dd if=/dev/zero of=/dev/{name} bs=64k seek=800 count=99"
                            " oflag=direct; done 2> /dev/null &")
        service.to_monitor(bench.machine)
        bench.machine.send_line("restart")
        service.up_again(bench)
        bench.guest.check_log()
    return f"{times} times"


def what_was_on_the_disks_is_still_there(bench):
    """In front of where the traffic went."""
    for name in service.disks(bench):
        said = bench.guest.run(f"mount -t ext4 /dev/{name} /mnt && cat /mnt/kept; umount /mnt")
        check(said == "kept\n", f"{name} holds {said!r}")
        service.use_disk(bench, name)


add_group("pulling_the_plug", [
    linux_works_on_its_disks,
    restart_survives_disk_traffic,
    what_was_on_the_disks_is_still_there,
    the_kernel_log_is_clean,
    poweroff_in_linux_switches_the_machine_off,
], cost=60)
