#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What Pintle costs, in instructions that Bochs counts (its time stamp counter ticks once an instruction)."""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

import harness  # noqa: E402 pylint: disable=wrong-import-position
import linux  # noqa: E402 pylint: disable=wrong-import-position
import initramfs  # noqa: E402 pylint: disable=wrong-import-position
import test_guests  # noqa: E402 pylint: disable=wrong-import-position
import test_module  # noqa: E402 pylint: disable=wrong-import-position
import vmm  # noqa: E402 pylint: disable=wrong-import-position
import vms  # noqa: E402 pylint: disable=wrong-import-position

# The limits that are kept: by which vendor's means (Pintle: a guest's, by VT-x), name of the figure -> instructions.
LIMITS = {("VT-x", "cpuid"): 250} | {
    (name, key): 900 for name in ("VT-x", "AMD-V") for key in ("vm_switch", "vm_switch_cpu0")} | {
    ("Pintle", "cpuid"): 330, ("Pintle", "port_write"): 4400, ("Pintle", "port_read"): 4400}
SWITCH_LOOP = 6  # instructions of tests/bench/switch.c that are not the switch's
BOOT_LIMIT = 3  # percent
AMD = ("cpu: model=ryzen, count={}, ips=100000000, reset_on_triple_fault=1",)


def exits(bench, name, machine):
    """Run the few-byte guest that measures exits; prints its figures and returns them, as LIMITS."""
    running = test_guests.start(bench, "exits", **machine)
    running.wait_for("bench: done", test_guests.SECONDS["bochs"])
    figures = {key: int(value) for key, value in re.findall(r"bench: (\w+) (\d+)", running.screen.text)}
    for key, value in figures.items():
        print(f"{name:6} {key:20} {value:8}")
    return {(name, key): value for key, value in figures.items()}


def switches(bench, name, machine, cpu):
    """Two VMs that spin on one CPU: from one's last instruction to the other's first.

    On CPU 0 the monitor has its look in between. Returns the median, as in LIMITS.
    """
    guests = [vms.Guest("switch", guest, cpu=cpu) for guest in ("a", "b")]
    running = bench.start(modules=vms.modules(guests, ROOT / "build" / "vms"), memory=256, **machine)
    for _ in guests:
        running.wait_for("gaps are told", test_guests.SECONDS["bochs"])
    gaps = {guest.name: [vms.numbers(line) for line in vms.speech(running.screen.text, guest.name)
                         if "gap " in line] for guest in guests}
    costs = sorted(begin - end - SWITCH_LOOP
                   for one, other in (("a", "b"), ("b", "a")) for end, again in gaps[one]
                   for before, begin in gaps[other] if before < end < begin < again)
    key = "vm_switch" if cpu != 0 else "vm_switch_cpu0"
    print(f"{name:6} {key:20} {costs[len(costs) // 2]:8}  (of {len(costs)}: {costs[0]} to {costs[-1]})")
    return {(name, key): costs[len(costs) // 2]}


def init_initrd(folder, *flags):
    """An initial file system that has nothing but tests/bench/init.S, as a path."""
    init, initrd = folder / "init", folder / ("initrd" + "".join(flags))
    source = pathlib.Path(__file__).with_name("init.S")
    subprocess.run(["gcc", *flags, "-nostdlib", "-static", "-s", "-o", init, source], check=True)
    initrd.write_bytes(initramfs.archive_entry(1, "init", 0o100755, init.read_bytes())
                       + initramfs.archive_entry(2, "TRAILER!!!", 0, b""))
    return initrd


ARGUMENTS = f"{linux.FAST} clearcpuid=rdrand,rdseed"  # of a kernel whose boot is measured


def boot_modules(folder):
    """Debian's cloud kernel and init_initrd(), as boot modules."""
    return ((str(linux.files("cloud")[0]), "kernel", f"{linux.CONSOLE} {ARGUMENTS}"),
            (str(init_initrd(folder)), "initrd", ""))


def boots(bench, folder):
    """Boot Linux natively and as service VM by VT-x, to its first process: what Pintle adds.

    GRUB hands over at the same time in both, which Pintle knows.
    """
    ticks = {}
    for name, native in (("native", True), ("VT-x", False)):
        running = bench.start(modules=boot_modules(folder), native=native, cpus=1, emulator="bochs")
        running.wait_for(r"bench: user_cpuid \d+\n", 300)
        for key, value in re.findall(r"bench: (\w+) (\d+)", running.screen.text):
            ticks[name, key] = int(value)
            print(f"{name:6} {key:20} {int(value):12}")
    running.send(test_guests.SWITCH)
    running.wait_for(harness.PROMPT, running.command_seconds())
    start = int(re.search(r"entry at TSC (\d+)", running.command("version"))[1])
    more = 100 * ((ticks["VT-x", "linux_init"] - start) / (ticks["native", "linux_init"] - start) - 1)
    print(f"VT-x   linux_boot           {more:+11.2f} %")
    return more


def leaving_guest():
    """The guest that measures its ways to the VMM, as a path."""
    program = linux.PLACE / "leave"
    program.parent.mkdir(parents=True, exist_ok=True)
    linux.output_of("gcc", "-m32", "-O2", "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-fno-builtin",
                    "-Wall", "-Wextra", "-Werror", "-mgeneral-regs-only", "-nostdlib", "-static", "-no-pie",
                    "-Wl,--build-id=none,-Ttext=0x200000", "-o", str(program),
                    str(pathlib.Path(__file__).with_name("leave.c")))
    return program


def start_outer(bench, name, files):
    """A Linux on Bochs with one CPU, with stock KVM or as Pintle's service VM, and these files."""
    start, extra = {"KVM": (vmm.start, {"arguments": linux.FAST}), "Pintle": (test_module.start, {})}[name]
    start(bench, files, emulator="bochs", cpus=1, memory=1024, **extra)


def tell(name, text):
    """Print what a program measured, the middle of many; returns it, as LIMITS."""
    figures = {}
    for key, low, middle in re.findall(r"bench: (\w+) (\d+) (\d+)", text):
        figures[name, key] = int(middle)
        print(f"{name:6} {key:20} {int(middle):8}  (lowest: {low})", flush=True)
    return figures


def leaves(bench):
    """From a guest's port access to its VMM and back: pintle-vmm on stock KVM, and on Pintle."""
    figures = {}
    for name in ("KVM", "Pintle"):
        start_outer(bench, name, (("files/leave", str(leaving_guest())),))
        seen = len(bench.machine.screen.text)
        vmm.send_run(bench, "--kernel /files/leave --mem 128")
        vmm.ended(bench, 0, "the guest switches itself off", 300)
        figures |= tell(name, bench.machine.screen.text[seen:])
    return figures


def guest_boot(bench, name):
    """From the start of pintle-vmm to its end, with Debian's cloud kernel whose first process switches it off."""
    text = bench.outer.run("kvmbench now; pintle-vmm run --kernel /files/vmlinuz --initrd /files/bench.initrd --mem 256"
                           f" --cmdline 'console=ttyS0 quiet {ARGUMENTS}'; kvmbench now", 900)
    begin, end = re.findall(r"now (\d+)", text)
    print(f"{name:6} guest_boot_and_off   {int(end) - int(begin):12}", flush=True)
    print(f"{name:6} guest_user_cpuid     {int(re.search('user_cpuid ([0-9]+)', text)[1]):12}", flush=True)


def guests(bench, folder):
    """What guests' exits, disks and boots cost, on stock KVM and on Pintle."""
    figures = {}
    kvmbench = test_module.program("kvmbench", "../bench/kvmbench.c", "kvmguest.c")
    blkread = test_module.program("blkread", "../bench/blkread.c")
    guest_initrd = linux.with_more("guest", (blkread,))[1]
    for name in ("KVM", "Pintle"):
        start_outer(bench, name, (kvmbench, ("files/bench.initrd", str(init_initrd(folder, "-DENDS"))),
                                  ("files/blk.initrd", str(guest_initrd))))
        figures |= tell(name, bench.outer.run("kvmbench", 300))
        guest_boot(bench, name)
        bench.outer.run("dd if=/dev/zero of=/tmp/disk bs=1M count=4 2> /dev/null", 300)
        vmm.run_guest(bench, "--mem 256 --disk /tmp/disk", "--kernel /files/vmlinuz --initrd /files/blk.initrd"
                      f" --cmdline 'console=ttyS0 quiet {ARGUMENTS}'", 900)
        figures |= tell(name, bench.guest.run("blkread /dev/vda", 300))
        bench.machine.send(b"poweroff -f\n")
        vmm.ended(bench, 0, "the guest switches itself off", 300)
    return figures


def main():
    """Run what was asked for; the exit status says whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="this part: exits, switches, leaves, guests or boots")
    options = parser.parse_args()
    bad = []
    with tempfile.TemporaryDirectory(prefix="pintle-bench-") as folder:
        logs = ROOT / "build" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        workshop = harness.Workshop(ROOT / "build" / "pintle.elf", folder)
        bench = harness.Bench(workshop, logs / "bench.log")
        try:
            figures = {}
            if options.only in ("", "exits"):
                figures |= exits(bench, "VT-x", test_guests.INTEL_IN_BOCHS)
                figures |= exits(bench, "AMD-V", test_guests.AMD_IN_BOCHS)
            if options.only in ("", "switches"):
                for name, extra in (("AMD-V", AMD), ("VT-x", ())):
                    for cpu in (0, 1):
                        machine = {"emulator": "bochs", "cpus": cpu + 1,
                                   "extra": tuple(line.format(cpu + 1) for line in extra)}
                        figures |= switches(bench, name, machine, cpu)
            if options.only in ("", "leaves"):
                figures |= leaves(bench)
            if options.only in ("", "guests"):
                figures |= guests(bench, pathlib.Path(folder))
            bad += [f"{' '.join(key)} takes {figures[key]} instructions, not {limit}"
                    for key, limit in LIMITS.items() if figures.get(key, 0) > limit]
            if options.only in ("", "boots"):
                more = boots(bench, pathlib.Path(folder))
                bad += [f"Linux takes {more:.2f} % more instructions to boot"] if more > BOOT_LIMIT else []
        finally:
            bench.close()
    for text in bad:
        print(f"FAIL {text}")
    return 1 if bad else 0


if __name__ == "__main__":
    harness.emulator.end_on_signals()
    sys.exit(main())
