# SPDX-License-Identifier: GPL-2.0-only
"""pintle.ko: /dev/kvm in the service VM, with pintle-vmm and with programs that try it ioctl by ioctl."""

import re

import linux
import service
import test_vmm
import vmm
from harness import ROOT, add_group, check, test

HERE = ROOT / "tests" / "system"
COUNTS = "/sys/bus/pci/drivers/pintle/0*"
API_SECONDS = 120
COMMAND_SECONDS = 180  # each byte of a guest's console is three switches to its VMM and back
FUZZ_SECONDS = 15  # for each process, which is killed after 4 at most
BOCHS_PATIENCE = 12  # as many times as long as in QEMU
LEAK_KIB = 16 * 1024  # noise of Linux, which frees some late; what guests had is counted exactly

linux.KERNELS["pintle"] = ("linux-image-cloud-amd64", ("tun", "vhost_net"), ())


def program(name, *sources):
    """A static program made from C files of this folder, for an initial file system."""
    path = linux.whole_file(linux.PLACE / name, lambda path: linux.output_of(
        "gcc", "-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o", str(path),
        *(str(HERE / source) for source in sources), "-lpthread"))
    return f"bin/{name}", str(path)


def tools():
    """The programs that try /dev/kvm."""
    return (program("kvmapi", "kvmapi.c", "kvmstate.c", "kvmguest.c"), program("kvmfuzz", "kvmfuzz.c"))


def start(bench, more=(), cmdline="", **setup):
    """Switch a machine on whose service VM has pintle.ko, pintle-vmm and what a guest is made of."""
    kernel, initrd = linux.files("guest")
    return start_with(bench, (("bin/pintle-vmm", str(ROOT / "build" / "pintle-vmm")),
                              ("files/vmlinuz", str(kernel)), ("files/initrd", str(initrd)), *more),
                      cmdline, **{"memory": 1536, **setup})


def start_with(bench, files, cmdline="", **setup):
    """Switch a machine on whose service VM has pintle.ko and these files."""
    setup = {"cpus": 2, **setup}
    arguments = linux.FAST if setup.get("emulator") == "bochs" else "mitigations=off"
    module = ("pintle.ko", str(ROOT / "build" / "module" / "cloud" / "pintle.ko"))
    outer_kernel, outer_initrd = linux.with_more("pintle", (module, *files))
    machine = bench.start(cmdline, modules=(
        (str(outer_kernel), "kernel", f"{linux.CONSOLE} {arguments}"),
        (str(outer_initrd), "initrd", "")), **setup)
    if machine.setup.emulator == "qemu":
        machine.command_seconds = lambda: COMMAND_SECONDS
    else:
        machine.patience = BOCHS_PATIENCE
    bench.outer = linux.Linux(machine, service.up_seconds(machine))
    bench.outer.run("mkdir -p /dev/pts && mount -t devpts devpts /dev/pts")
    bench.outer.run("insmod /pintle.ko && [ -c /dev/kvm ]")
    return bench.outer


def counts(bench):
    """VMs, deposited pieces, shared pieces, as Pintle and the module count them."""
    return tuple(map(int, bench.outer.run(f"cat {COUNTS}/vms {COUNTS}/pieces {COUNTS}/shared").split()))


def pinned_pages(bench):
    """How many pages Linux counts as pinned: those of guests, and no others."""
    # What the CPUs have counted by themselves is only counted in then.
    return int(bench.outer.run("cat /proc/sys/vm/stat_refresh; awk '/nr_foll_pin_acquired/ {n += $2} /nr_foll_pin_released/ {n -= $2}"
                               " END {print n}' /proc/vmstat"))


def memory_rows(bench):
    """What /proc/meminfo says, in KiB."""
    text = bench.outer.run("cat /proc/meminfo")
    return {name: int(value) for name, value in re.findall(r"(?m)^(\w+): +(\d+) kB", text)}


def remember_memory(bench):
    """Before the first guest, for check_nothing_left()."""
    bench.free = vmm.free_kib(bench)
    bench.memory = memory_rows(bench)
    bench.pinned = pinned_pages(bench)


def check_nothing_left(bench):
    """No VM, no piece but the one that is kept for the next VM, no pinned page, no complaint, no memory gone."""
    check(counts(bench) == (0, 0, 1), f"VMs, pieces and shared pieces are {counts(bench)}")
    pinned = pinned_pages(bench) - bench.pinned
    check(pinned == 0, f"{pinned} pages are pinned still")
    text = bench.outer.run("dmesg | grep -E 'WARNING|BUG|Oops|Call Trace|pintle: ' | grep -v verification"
                           " | grep -v 'loading out-of-tree' || true")
    check(not text.strip(), f"the service VM says: {text.strip()[:300]!r}")
    # What the steps before have left; nc still has its file open.
    bench.outer.run("kill $(pidof nc) 2> /dev/null; rm -rf /tmp/www /tmp/up /tmp/con.* /tmp/disk")
    vmm.wait_in_outer(bench, "pidof nc > /dev/null || echo gone")
    missing = bench.free - vmm.free_kib(bench)
    rows = memory_rows(bench)
    changes = {name: rows[name] - value for name, value in bench.memory.items() if rows[name] != value}
    check(missing < LEAK_KIB, f"{missing} KiB are missing; since the first guest: {changes}")
    return f"{missing} KiB fewer than at first"


def pintle_ko_offers_dev_kvm(bench):
    """The first step: it starts the machine."""
    kernel, _ = linux.files("guest")
    start(bench, (("files/vmlinux", str(vmm.pvh_kernel(kernel))),
                  ("files/multiboot", str(vmm.multiboot_kernel())), *tools()))
    check(counts(bench)[:2] == (0, 0), f"VMs and pieces are {counts(bench)}")
    remember_memory(bench)
    vectors = bench.outer.run("grep -c 'MSI.*pintle' /proc/interrupts")
    check(int(vectors) == bench.outer.cpus, f"{vectors.strip()} vectors of the PCI function")


def its_ioctls_do_what_they_say(bench):
    """Each of them; the dirty log is a step of its own."""
    _, text = bench.outer.try_run("kvmapi -dirty", API_SECONDS)
    wrong = re.findall(r"FAIL .*", text)
    check(not wrong and text.rstrip().endswith("0 failures"), f"{wrong or text.strip()[-200:]!r}")
    return f"{len(re.findall('^ok', text, re.MULTILINE))} checks"


def nonsense_leaves_nothing_behind(bench):
    """From processes that are killed at some instant."""
    processes = 100 if bench.long else 8
    text = bench.outer.run(f"kvmfuzz 7 {processes} 4000", FUZZ_SECONDS * processes)
    entered = int(re.search(r"entered (\d+)", text)[1])
    check(entered > 100, f"few guests ran: {text.strip()!r}")
    check_nothing_left(bench)
    return text.strip()


def the_monitor_knows_a_guest(bench):
    """While one runs."""
    vmm.background(bench, "known", f"{vmm.GUEST} --mem 200 --cpus 2")
    vmm.wait_in_outer(bench, "grep SERVICE-VM-UP /tmp/known.out")
    check(counts(bench)[0] == 1, f"VMs and pieces are {counts(bench)}")
    service.to_monitor(bench.machine)
    text = bench.machine.command("vms")
    service.to_guest(bench.machine)
    check(re.search(r"guest.*2 vCPUs", text), f"vms prints {text!r}")
    bench.outer.run("kill -9 $(cat /tmp/known.pid)")
    vmm.wait_in_outer(bench, "[ -d /proc/$(cat /tmp/known.pid) ] || echo gone")


def all_pages_are_back(bench):
    """After all that was started above."""
    return check_nothing_left(bench)


def the_module_goes_and_comes_back(bench):
    """Nothing that Pintle knows of it stays."""
    bench.outer.run("rmmod pintle && [ ! -e /dev/kvm ] && insmod /pintle.ko && [ -c /dev/kvm ]")
    bench.outer.run("kvmapi irqfd", API_SECONDS)
    return check_nothing_left(bench)


def pages_that_were_written_are_told(bench):
    """The dirty log."""
    bench.outer.run("kvmapi dirty", API_SECONDS)


add_group("module", [
    pintle_ko_offers_dev_kvm,
    its_ioctls_do_what_they_say,
    test_vmm.a_guest_with_two_cpus_reaches_its_shell,
    test_vmm.its_devices_interrupt_by_msix,
    test_vmm.it_pings_and_transfers_16_mib_over_a_tap,
    test_vmm.a_file_outlives_a_reboot_of_the_guest,
    test_vmm.its_root_can_be_on_the_disk,
    test_vmm.its_cpus_go_and_come_back,
    test_vmm.its_log_is_clean,
    test_vmm.poweroff_in_the_guest_ends_pintle_vmm,
    test_vmm.a_pvh_kernel_starts,
    test_vmm.a_multiboot_kernel_is_told_its_command_line,
    test_vmm.ctrl_c_stops_at_once,
    test_vmm.a_triple_fault_restarts_the_guest,
    test_vmm.a_virtio_console_carries_1_mib_both_ways,
    test_vmm.two_guests_run_at_once_and_heed_their_power_button,
    test_vmm.a_killed_vmm_leaves_nothing_behind,
    the_monitor_knows_a_guest,
    nonsense_leaves_nothing_behind,
    all_pages_are_back,
    the_module_goes_and_comes_back,
    pages_that_were_written_are_told,
], cost=80)


@test(cost=20)
def what_pintle_ko_promises_stock_kvm_keeps(bench):
    """The same checks on KVM, so that they say what KVM does and not what we believe."""
    vmm.start(bench, tools())
    _, text = bench.outer.try_run("kvmapi run", API_SECONDS)
    wrong = re.findall(r"FAIL .*", text)
    check(not wrong and text.rstrip().endswith("0 failures"), f"{wrong or text.strip()[-200:]!r}")
    return f"{len(re.findall('^ok', text, re.MULTILINE))} checks"


# A Linux with all devices, on the other firmware and by VT-x. --------------------------------------

GUEST_STEPS = [
    test_vmm.a_guest_with_two_cpus_reaches_its_shell,
    test_vmm.its_devices_interrupt_by_msix,
    test_vmm.it_pings_and_transfers_16_mib_over_a_tap,
    test_vmm.a_file_outlives_a_reboot_of_the_guest,
    test_vmm.its_log_is_clean,
    test_vmm.poweroff_in_the_guest_ends_pintle_vmm,
    test_vmm.a_virtio_console_carries_1_mib_both_ways,
    test_vmm.two_guests_run_at_once_and_heed_their_power_button,
]


def pintle_ko_offers_dev_kvm_by_uefi(bench):
    """The first step: it starts the machine."""
    start(bench, firmware="uefi")
    remember_memory(bench)


add_group("module_uefi", [pintle_ko_offers_dev_kvm_by_uefi, *GUEST_STEPS, all_pages_are_back], long=True, cost=80)


def pintle_ko_offers_dev_kvm_by_vt_x(bench):
    """The first step: it starts the machine."""
    start(bench, tools(), emulator="bochs")
    remember_memory(bench)


add_group("module_bochs", [
    pintle_ko_offers_dev_kvm_by_vt_x,
    its_ioctls_do_what_they_say,
    *GUEST_STEPS,
    all_pages_are_back,
], long=True, cost=300)


# Kernels that nobody prepared, on Pintle. -------------------------------------------------------------

def add_kernels(name, **setup):
    """Add the group for one machine."""
    def pintle_ko_waits_for_other_kernels(bench):
        """The first step: it starts the machine."""
        start(bench, (*test_vmm.other_kernels(), *test_vmm.installers()), **{"memory": 2048, **setup})

    add_group(name, [
        pintle_ko_waits_for_other_kernels,
        test_vmm.memtest_tests_memory,
        test_vmm.gnu_mach_starts,
        test_vmm.xen_starts_its_dom0,
        test_vmm.debian_s_generic_kernel_starts,
        test_vmm.the_installer_asks_for_a_language,
        test_vmm.the_32_bit_installer_asks_for_a_language,
    ], long=True, cost=100)


add_kernels("module_kernels")
add_kernels("module_kernels_by_vt_x", emulator="bochs", cpus=1)


def pintle_ko_works_with_passt(bench):
    """The first step: it starts the machine."""
    start(bench, vmm.PASST, memory=2048)
    test_vmm.passt_shows_a_file(bench)


add_group("module_passt", [pintle_ko_works_with_passt, test_vmm.a_guest_fetches_16_mib_over_passt], long=True, cost=40)
