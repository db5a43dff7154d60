# SPDX-License-Identifier: GPL-2.0-only
"""The monitor over the wire: editing, hostile input, levels of the log, NMI."""

import contextlib
import random
import re

import gdbstub
from harness import PROMPT, check, test

UP = b"\x1b[A"
LEFT = b"\x1b[D"
HOME = b"\x1b[H"
CTRL_C = b"\x03"
PAGE = 4096
TICKS_MAX = 10**9  # no start takes as many in Bochs: ten seconds
LOG_LINE = re.compile(r"\[ *\d+\.\d{6} cpu\d+\] ")


def expect_cpus(machine):
    """The output of `cpus` comes, however the line was typed."""
    machine.wait_for(r"\n[^\n]*2 online, 0 left out\n", machine.command_seconds())
    machine.wait_for(PROMPT, machine.command_seconds())


@test
def help_lists_every_command(bench):
    """The commands that the manual promises."""
    output = bench.boot().command("help")
    for name in ("help version cpus mem map acpi pci irqs timers log loglevel selftest panic "
                 "reboot poweroff").split():
        check(re.search(rf"^ *{name}\b", output, re.MULTILINE), f"help does not know {name}")


@test
def every_reporting_command_answers(bench):
    """None of them is empty or unknown."""
    machine = bench.boot()
    for name in "version cpus mem map acpi pci irqs timers log loglevel".split():
        output = machine.command(name)
        check(output.strip(), f"{name} prints nothing")
        check("no command" not in output, f"{name}: {output.strip()!r}")


@test
def an_unknown_command_is_refused_with_its_name(bench):
    """And nothing else happens."""
    output = bench.boot().command("dance now")
    check('no command "dance"' in output, f"the answer is {output!r}")


@test
def a_line_can_be_edited(bench):
    """Cursor keys, insertion and deletion reach the command."""
    machine = bench.boot()
    machine.send(b"psus" + LEFT * 3 + b"\x04" + HOME + b"c" + b"\x05x\x7f\r")
    # p|sus, s deleted: pus; c put before it: cpus; an x added at the end and taken away.
    expect_cpus(machine)


@test
def the_history_brings_a_line_back(bench):
    """Over another command in between."""
    machine = bench.boot()
    machine.command("cpus")
    machine.command("version")
    machine.send(UP + UP + b"\r")
    expect_cpus(machine)


@test
def tab_completes_a_command(bench):
    """Where only one begins so."""
    machine = bench.boot()
    machine.send(b"cp\t\r")
    expect_cpus(machine)


@test
def ctrl_c_gives_a_line_up(bench):
    """What was typed is not run."""
    machine = bench.boot()
    machine.send(b"poweroff" + CTRL_C)
    machine.wait_for(PROMPT, machine.command_seconds())
    check("online" in machine.command("cpus"), "cpus is silent")


@test(cost=50)
def a_command_typed_during_the_start_is_run_soundly(bench):
    """On Bochs, where the line is slow: the first prompt has then not left the machine yet."""
    machine = bench.start(emulator="bochs")
    machine.wait_for("a microhypervisor", machine.boot_seconds())
    machine.send_line("version")
    ticks = machine.wait_for(r"boot took (\d+) TSC ticks", machine.command_seconds())[1]
    check(int(ticks) < TICKS_MAX, f"boot took {ticks} ticks")


@test(cost=10)
def a_flood_of_garbage_leaves_the_monitor_usable(bench):
    """64 KiB of random bytes with escape sequences in them."""
    check_flood(bench.boot(), 64 * 1024)


@test(cost=50)
def a_flood_of_garbage_on_bochs_leaves_the_monitor_usable(bench):
    """Its UART loses bytes that come too fast, as a real one does."""
    check_flood(bench.boot(emulator="bochs"), 8 * 1024)


def check_flood(machine, size):
    """The monitor answers after so many bytes of garbage."""
    machine.send(garbage(size))
    machine.insist("cpus", r"\n2 online, 0 left out\n")


def garbage(size):
    """Random bytes, the same each time, that can spell no command that ends the machine."""
    source = random.Random(1)
    pieces = [b"\x1b[", b"\x1b[99999999C", b"\x1b[A", b"\x1bO", b"\t", b"\t\t", b"\r", b"\n"]
    data = b""
    while len(data) < size:
        data += source.choice(pieces) if source.random() < 0.2 else source.randbytes(8)
        data = data.replace(b"p", b"").replace(b"r", b"")
    return data


@test
def the_log_level_can_be_changed(bench):
    """The console and the log are two things: the log keeps all."""
    machine = bench.boot()
    check("shows info" in machine.command("loglevel"), "the level is not said")
    machine.command("loglevel error")
    check("shows error" in machine.command("loglevel"), "the level did not change")
    check("is no level" in machine.command("loglevel loud"), "a wrong level is not refused")
    check("shows error" in machine.command("loglevel"), "a wrong level changed it")
    check(not LOG_LINE.search(machine.command("log")), "the log shows more than errors")
    check(LOG_LINE.search(machine.command("log debug")), "the log is empty")


@test
def loglevel_error_keeps_the_start_quiet(bench):
    """Nothing but the prompt."""
    text = bench.boot("loglevel=error").screen.text
    check(not LOG_LINE.search(text), "lines of the log are on the console")


@test
def loglevel_warning_shows_warnings_alone(bench):
    """An unknown option gives one."""
    text = bench.boot("loglevel=warning colour=blue").screen.text
    check("warning: " in text, "there is no warning")
    check(not re.search(LOG_LINE.pattern + "(?!warning: )", text), "there is something else")


@test
def an_nmi_is_reported_and_survived(bench):
    """From QEMU's button; more than one."""
    machine = bench.boot()
    for _ in range(2):
        machine.emulator.qmp("inject-nmi")
        machine.wait_for(r"warning: nmi: [^\n]*\n", machine.command_seconds())
    check("2 online, 0 left out" in machine.command("cpus"), "not every CPU is online")


@test
def a_machine_check_is_reported_with_its_bank(bench):
    """From QEMU's monitor: an uncorrected error with an address."""
    machine = bench.boot()
    machine.emulator.qmp("human-monitor-command",
                         **{"command-line": "mce 0 3 0xb600000000000015 4 0x12345000 0"})
    machine.wait_for(r"PANIC on cpu 0: machine check, bank 3: status 0xb6[0-9a-f]+, "
                     r"address 0x12345000", machine.command_seconds())
    machine.wait_for("panic> ", machine.command_seconds())


def boot_with_gdb(bench, **setup):
    """Such a machine waits for the first connection."""
    machine = bench.start(gdb=True, **setup)
    with gdbstub.GdbStub(machine.emulator.gdb_path()):
        pass
    machine.wait_for_prompt()
    return machine


@contextlib.contextmanager
def stopped_in_a_command(bench, machine):
    """`version` is where it begins; gives the GDB stub. The machine goes on after the block."""
    with gdbstub.GdbStub(machine.emulator.gdb_path()) as stub:
        stub.wait_for_stop()
        machine.send_line("version")
        stub.run_to(bench.workshop.symbol("command_version"))
        yield stub


def is_mapped(stub, address):
    """Can it be read?"""
    try:
        return bool(stub.read(address, 1))
    except gdbstub.GdbError:
        return False


@test
def a_stack_that_overflows_runs_into_its_guard_page(bench):
    """The double fault's own stack carries the report, and the monitor after it."""
    machine = boot_with_gdb(bench)
    with stopped_in_a_command(bench, machine) as stub:
        page = stub.register("rsp") & -PAGE
        while is_mapped(stub, page - PAGE):
            page -= PAGE
        stub.set_register("rsp", page)
    machine.wait_for(r"PANIC on cpu 0: double fault", machine.command_seconds())
    machine.wait_for(r"#0 [0-9a-f]{16} command_version[^\n]*\n", machine.command_seconds())
    machine.wait_for("panic> ", machine.command_seconds())
    check("cpu" in machine.command("cpus"), "the monitor is silent")


@test
def pintles_own_code_cannot_be_written(bench):
    """A write to text faults; a second fault inside the panic is survived as well."""
    machine = boot_with_gdb(bench)
    for _ in range(2):
        with stopped_in_a_command(bench, machine) as stub:
            for name, value in {"rip": bench.workshop.symbol("memset"), "rdx": 1,
                                "rdi": bench.workshop.symbol("memset")}.items():
                stub.set_register(name, value)
        machine.wait_for(r"PANIC on cpu 0: page fault at 0xffffffff8[0-9a-f]+, error 0x3",
                         machine.command_seconds())
        machine.wait_for("panic> ", machine.command_seconds())


@test
def boot_code_is_gone_on_every_cpu(bench):
    """A jump faults: to where the boot CPU began, and on another one to where that came from."""
    for cpu, stop, target in ((0, "command_version", "boot_main"), (1, "call_interrupt", "ap_main")):
        machine = boot_with_gdb(bench, cpus=2)
        address = bench.workshop.symbol(target)
        with gdbstub.GdbStub(machine.emulator.gdb_path()) as stub:
            stub.wait_for_stop()
            machine.send_line("version" if cpu == 0 else "selftest")
            stub.run_to(bench.workshop.symbol(stop))
            stub.set_register("rip", address)
        machine.wait_for(rf"PANIC on cpu {cpu}: page fault at {address:#x}, error 0x10",
                         machine.command_seconds())
        machine.wait_for("panic> ", machine.command_seconds())
        bench.stop()
