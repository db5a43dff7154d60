# SPDX-License-Identifier: GPL-2.0-only
"""What the command line, the memory and the debugger change about a start."""

import re
import subprocess

from harness import FATAL, check, test


@test
def half_a_gib_of_memory_is_all_found(bench):
    """And none of it lies above 4 GiB."""
    check_memory(bench, 512)


@test(cost=5)
def six_gib_of_memory_are_all_found(bench):
    """The part above the hole below 4 GiB counts too."""
    check_memory(bench, 6 * 1024)


def check_memory(bench, mebibytes):
    """The free memory that `mem` reports is most of the machine's."""
    output = bench.boot(memory=mebibytes).command("mem")
    found = re.search(r"^ *(\d+) KiB  free$", output, re.MULTILINE)
    check(found, f"mem says: {output!r}")
    free = int(found[1]) // 1024
    check(mebibytes * 0.9 < free <= mebibytes, f"{free} MiB of {mebibytes} are free")


@test
def console_com2_moves_the_console(bench):
    """With nothing at all at COM1."""
    check("2 online" in bench.boot("console=com2", com=2).command("cpus"), "cpus is silent")


@test
def an_unknown_option_is_named(bench):
    """So that a typing error is seen."""
    machine = bench.boot("colour=blue loglevel=info maxcpus=none")
    text = machine.screen.text
    check(re.search("warning: .*'colour=blue' refused", text), "no word about the unknown option")
    check(re.search("warning: .*'maxcpus=none' refused", text), "no word about the bad value")
    check("'loglevel=info'" not in text, "a good option was reported")


@test
def maxcpus_leaves_the_other_cpus_out(bench):
    """They are counted, not forgotten."""
    output = bench.boot("maxcpus=2", cpus=4).command("cpus")
    check("2 online, 2 left out" in output, f"cpus says: {output[-200:]!r}")


@test
def a_restart_comes_back_to_the_prompt(bench):
    """Without a panic before it."""
    machine = bench.boot()
    machine.send_line("reboot")
    machine.wait_for("pintle> ", machine.boot_seconds())


@test
def a_panic_on_another_cpu_is_reported_for_that_cpu(bench):
    """And the monitor moves on to the panic prompt all the same."""
    machine = bench.boot(cpus=4)
    machine.send_line("panic 1")
    machine.wait_for(r"PANIC on cpu 1: ", machine.command_seconds())
    machine.wait_for(r"#\d+ +[0-9a-f]{16} \w+\+0x[0-9a-f]+", machine.command_seconds())
    machine.wait_for("panic> ", machine.command_seconds())
    check("online" in machine.command("cpus"), "cpus is silent after a panic")
    machine.send_line("poweroff")
    machine.wait_until_off()


@test
def panic_reboot_restarts_the_machine(bench):
    """The option for machines that nobody watches."""
    machine = bench.boot("panic=reboot")
    machine.send_line("panic")
    machine.wait_for(r"PANIC on cpu 0: ", machine.command_seconds())
    machine.wait_for("pintle> ", machine.boot_seconds())


@test(cost=50)
def apic_x2apic_works_where_it_is_possible(bench):
    """Bochs has x2APIC; all CPUs come up in it and answer calls."""
    machine = bench.boot("apic=x2apic", emulator="bochs")
    check("2 online, 0 left out" in machine.command("cpus"), "not every CPU is online")
    output = machine.command("selftest", machine.boot_seconds())
    check(re.search("selftest: .* 0 failed", output), f"selftest says: {output[-200:]!r}")
    check("local APIC: x2APIC" in machine.command("version"), "the mode is another")


@test
def apic_x2apic_is_refused_where_there_is_none(bench):
    """QEMU's TCG has only xAPIC."""
    machine = bench.boot("apic=x2apic")
    check("warning: lapic: x2APIC mode is not there" in machine.screen.text, "no warning")
    check("local APIC: xAPIC" in machine.command("version"), "the mode is another")


def add_clock(clock, title, emulator):
    """Add a test of one clock source on one emulator."""
    def check_clock(bench):
        machine = bench.boot(f"clock={clock}", emulator=emulator)
        output = machine.command("timers")
        found = re.search(rf"TSC: +([\d.]+ MHz), from {title}\n", output)
        check(found, f"timers says: {output!r}")
        return found[1]
    check_clock.__name__ = f"clock_{clock}_can_be_chosen_on_{emulator}"
    test(check_clock, cost=50 if emulator == "bochs" else 1)


for option, name in (("hpet", "HPET"), ("pmtimer", "PM timer"), ("pit", "PIT")):
    add_clock(option, name, "qemu")
    add_clock(option, name, "bochs")


@test
def gdb_finds_the_symbols_in_a_stopped_machine(bench):
    """What `make debug` relies on."""
    machine = bench.start(gdb=True)
    path = machine.emulator.gdb_path()
    done = subprocess.run(
        ["gdb", "-batch", "-nx", "-ex", f"target remote {path}", "-ex", "info address boot_main",
         "-ex", "hbreak boot_main", "-ex", "continue", "-ex", "info line", "-ex", "detach",
         str(bench.workshop.elf)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL)
    check('Symbol "boot_main" is' in done.stdout, f"gdb says: {done.stdout[-300:]!r}")
    check(re.search(r"Breakpoint 1, .*boot_main", done.stdout), f"gdb: {done.stdout[-300:]!r}")
    machine.wait_for_prompt()
    check(not FATAL.search(machine.screen.text), "the machine did not survive the debugger")
