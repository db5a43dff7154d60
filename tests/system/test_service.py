# SPDX-License-Identifier: GPL-2.0-only
"""The service VM: Debian's own kernels, started by Pintle from GRUB's modules."""

import contextlib
import hashlib
import http.server
import random
import threading
import time

import linux
from harness import Failure, add_group, check, test

ESCAPE = b"\x1c"  # Ctrl-\, between the service VM and the monitor
UP_SECONDS = {"qemu": 90, "bochs": 300}
MEMORY_KIB = 64 * 1024  # how much less than natively Linux may find


def start(bench, kind="cloud", arguments="", cmdline="", **setup):
    """Start a machine with a service VM, and wait until that is up."""
    machine = bench.start(cmdline, modules=linux.boot_modules(kind, arguments), **setup)
    try:
        return linux.Linux(machine, up_seconds(machine))
    except Failure:
        examine(machine)
        raise


def examine(machine):
    """Have the monitor say, for the log file, where a Linux that does not come up hangs."""
    with contextlib.suppress(Failure):
        to_monitor(machine)
        for command in ["exits", "irqs", *(f"regs {cpu}" for cpu in range(machine.setup.cpus))] * 2:
            machine.command(command)


def up_seconds(machine):
    """How long the service VM may take from power-on. Bochs runs all CPUs on one of ours."""
    seconds = UP_SECONDS[machine.setup.emulator]
    firmware = 120 if machine.setup.firmware == "uefi" else 0
    return (seconds + firmware) * (1 + machine.setup.cpus // 4)


def boots_as_natively(bench, **setup):
    """All CPUs, the memory that Linux finds without Pintle, nothing bad in the log; then off."""
    guest = start(bench, **setup)
    check(guest.cpus == setup["cpus"], f"{guest.cpus} CPUs of {setup['cpus']} are online")
    guest.check_log()
    bench.machine.send(b"poweroff -f\n")
    bench.machine.wait_until_off()
    machine = bench.start(extra=linux.native_arguments("cloud"), **setup)
    native = linux.Linux(machine, up_seconds(machine))
    missing = native.memory - guest.memory
    check(abs(missing) <= MEMORY_KIB,
          f"Linux finds {guest.memory} KiB, natively {native.memory} KiB")
    return f"{guest.cpus} CPUs, {missing // 1024} MiB less than natively"


@test(cost=6)
def linux_boots_on_one_cpu_with_512_mib(bench):
    """The smallest machine."""
    return boots_as_natively(bench, cpus=1, memory=512)


@test(cost=6)
def linux_boots_on_two_cpus_with_2_gib(bench):
    """Memory up to the hole below 4 GiB."""
    return boots_as_natively(bench, cpus=2, memory=2048)


@test(cost=7)
def linux_boots_on_four_cpus_with_6_gib(bench):
    """Memory above 4 GiB."""
    return boots_as_natively(bench, cpus=4, memory=6144)


@test(cost=8)
def linux_boots_on_two_cpus_by_uefi(bench):
    """Another memory map, and no legacy tables."""
    return boots_as_natively(bench, cpus=2, memory=512, firmware="uefi")


CLOCK = "/sys/devices/system/clocksource/clocksource0/"


def keeps_time(bench, cpus):
    """On the paravirtual clock, as fast as here, and with today's date on every CPU."""
    guest = start(bench, cpus=cpus, memory=512)
    used = guest.run(f"cat {CLOCK}current_clocksource").strip()
    check(used == "kvm-clock", f"Linux uses {used}")
    behind = time.time() - int(guest.run("date +%s"))
    check(-2 < behind < 5, f"the date is {behind:.1f} s behind ours")

    def look(cpu):
        """Our time and Linux's; the best of some, since an answer may be late."""
        tries = []
        for _ in range(5):
            before = time.monotonic()
            up = float(guest.run(f"taskset {1 << cpu} cat /proc/uptime").split()[0])
            after = time.monotonic()
            tries.append((after - before, (before + after) / 2, up))
        return min(tries)[1:]

    first = last = look(0)
    while last[0] < first[0] + 6:
        last = look(cpus - 1)
    rate = (last[1] - first[1]) / (last[0] - first[0])
    check(0.97 < rate < 1.03, f"time goes {rate:.3f} times as fast as here")
    guest.check_log()
    return f"rate {rate:.3f}"


@test(cost=4)
def linux_keeps_time_by_kvm_clock_on_one_cpu(bench):
    """AMD-V in QEMU, whose TSC Linux does not trust."""
    return keeps_time(bench, 1)


@test(cost=4)
def linux_keeps_time_by_kvm_clock_on_two_cpus(bench):
    """The same, where a CPU hands over to another."""
    return keeps_time(bench, 2)


# One machine with every kind of disk and a network, for the generic kernel's own drivers.

DISKS = {"sda": "ide-hd,bus=ide.0", "nvme0n1": "nvme,serial=1", "vda": "virtio-blk-pci"}


def device_arguments():
    """QEMU's arguments for the disks and the network."""
    arguments = ["-netdev", "user,id=net", "-device", "e1000e,netdev=net"]
    for name, device in DISKS.items():
        arguments += ["-drive", f"if=none,id={name},format=raw,snapshot=on,"
                                f"file={linux.blank_disk()}",
                      "-device", f"{device},drive={name}"]
    return tuple(arguments)


GUESTS = {}  # the Linux of each bench, for the steps of a group; each bench is one thread's


def the_generic_kernel_boots(bench):
    """And every driver loads."""
    guest = start(bench, "generic", cpus=2, memory=1024, extra=device_arguments())
    GUESTS[bench] = guest
    check(guest.cpus == 2, f"{guest.cpus} CPUs of 2 are online")
    check("NO-MODULE" not in bench.machine.screen.text, "a driver does not load")
    return guest.release


def use_disk(bench, name, interrupt):
    """A file on a new file system is read back from the disk, not from memory, and unchanged."""
    guest = GUESTS[bench]
    before = guest.interrupts(interrupt)
    guest.run(f"for i in $(seq 100); do [ -b /dev/{name} ] && break; usleep 100000; done;"
              f" mke2fs /dev/{name} > /dev/null && mount -t ext4 /dev/{name} /mnt"
              f" || mount -t ext2 /dev/{name} /mnt", 60)
    written = guest.run("dd if=/dev/urandom of=/tmp/file bs=64k count=64 2> /dev/null;"
                        " cp /tmp/file /mnt/file; sha256sum < /tmp/file", 60)
    guest.run("umount /mnt; sync; echo 3 > /proc/sys/vm/drop_caches")
    guest.run(f"mount -t ext4 /dev/{name} /mnt || mount -t ext2 /dev/{name} /mnt")
    read = guest.run("sha256sum < /mnt/file; umount /mnt", 60)
    check(read == written and len(read) > 60, f"wrote {written!r}, read {read!r}")
    count = guest.interrupts(interrupt) - before
    check(count > 0, f"/proc/interrupts does not grow for {interrupt}")
    return f"{count} interrupts"


def a_file_on_the_ahci_disk_is_read_back(bench):
    """By MSI."""
    return use_disk(bench, "sda", "ahci")


def a_file_on_the_nvme_disk_is_read_back(bench):
    """By MSI-X, one queue a CPU."""
    return use_disk(bench, "nvme0n1", r"nvme0q[1-9]")


def a_file_on_the_virtio_disk_is_read_back(bench):
    """By MSI-X."""
    return use_disk(bench, "vda", r"virtio\d+-req")


@contextlib.contextmanager
def web_server(data):
    """Serve `data` at every path; gives the port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers every request alike."""

        def do_GET(self):  # pylint: disable=invalid-name
            """The one answer."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):  # pylint: disable=arguments-differ
            """Nothing on our standard error."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def a_file_comes_over_the_network_unchanged(bench):
    """Through e1000e and QEMU's user network, from a server on this host."""
    guest = GUESTS[bench]
    data = random.Random(1).randbytes(2 << 20)
    before = guest.interrupts(r"eth0-rx")
    guest.run("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    guest.run("for i in $(seq 100); do"
              " [ $(cat /sys/class/net/eth0/carrier) = 1 ] && break; usleep 100000; done")
    with web_server(data) as port:
        # Debian 12's busybox crashes, natively too, when this is its first wget and has -q -T.
        guest.run(f"wget -O /tmp/file http://10.0.2.2:{port}/file 2> /dev/null", 60)
    digest = guest.run("sha256sum < /tmp/file").split()[0]
    check(digest == hashlib.sha256(data).hexdigest(), f"the file has the digest {digest}")
    count = guest.interrupts(r"eth0-rx") - before
    check(count > 0, "/proc/interrupts does not grow for eth0")
    return f"{count} interrupts"


def a_cpu_goes_and_comes_back(bench):
    """Linux' hot-unplug: INIT and SIPI again and again."""
    guest = GUESTS[bench]
    for _ in range(3):
        guest.run("echo 0 > /sys/devices/system/cpu/cpu1/online")
        check(guest.run("nproc").strip() == "1", "CPU 1 stays")
        guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online")
        check(guest.run("nproc").strip() == "2", "CPU 1 does not come back")
    check(guest.run("taskset 2 nproc; taskset 2 echo ran").endswith("ran\n"), "CPU 1 runs nothing")


def the_kernel_log_is_clean(bench):
    """After all that."""
    GUESTS[bench].check_log()


def reboot_in_linux_starts_everything_anew(bench):
    """Firmware, GRUB, Pintle and Linux."""
    bench.machine.send(b"reboot -f\n")
    bench.machine.wait_for("a microhypervisor", up_seconds(bench.machine))
    guest = linux.Linux(bench.machine, up_seconds(bench.machine))
    check(guest.cpus == bench.machine.setup.cpus, f"{guest.cpus} CPUs are online")


def poweroff_in_linux_switches_the_machine_off(bench):
    """Through ACPI."""
    bench.machine.send(b"poweroff -f\n")
    bench.machine.wait_until_off()


add_group("linux_drives_the_devices", [
    the_generic_kernel_boots,
    a_file_on_the_ahci_disk_is_read_back,
    a_file_on_the_nvme_disk_is_read_back,
    a_file_on_the_virtio_disk_is_read_back,
    a_file_comes_over_the_network_unchanged,
    a_cpu_goes_and_comes_back,
    the_kernel_log_is_clean,
    reboot_in_linux_starts_everything_anew,
    poweroff_in_linux_switches_the_machine_off,
], cost=30)


# The monitor beside a running, a busy and a crashed Linux.


def to_monitor(machine):
    """Take the keys from the service VM; returns when the prompt is there."""
    machine.send(ESCAPE)
    machine.wait_for(r"\[monitor; .*?pintle> ", machine.command_seconds())


def to_guest(machine):
    """Give the keys to the service VM."""
    machine.send(ESCAPE)
    machine.wait_for(r"\[service VM; [^\n]*\n", machine.command_seconds())


def check_monitor(machine, cpus=2):
    """The monitor answers, with the facts."""
    check(f"{cpus} online" in machine.command("cpus"), "cpus is silent")
    check("Pintle" in machine.command("version"), "version is silent")


def the_escape_key_reaches_the_monitor(bench):
    """While Linux waits for a key."""
    GUESTS[bench] = start(bench, arguments="panic=0", cpus=2, memory=512)
    to_monitor(bench.machine)
    check_monitor(bench.machine)


def the_escape_key_goes_back_to_linux(bench):
    """And Linux has not noticed."""
    to_guest(bench.machine)
    check(GUESTS[bench].run("echo $((6 * 7))") == "42\n", "Linux answers something else")


def a_long_line_of_keys_reaches_linux(bench):
    """More at once than its UART's FIFO takes, and no further key behind the last."""
    for _ in range(20):
        check(GUESTS[bench].run("echo " + "x" * 200) == "x" * 200 + "\n", "keys are missing")


def the_monitor_answers_while_linux_is_busy(bench):
    """An endless loop on each CPU."""
    guest = GUESTS[bench]
    guest.run("for cpu in 1 2; do taskset $cpu sh -c 'while :; do :; done' & done")
    to_monitor(bench.machine)
    check_monitor(bench.machine)
    to_guest(bench.machine)
    guest.run("killall sh", 60)
    guest.check_log()


def the_monitor_answers_after_linux_crashed(bench):
    """A kernel panic that waits for ever, with interrupts off."""
    bench.machine.send(b"dmesg -n 7; echo c > /proc/sysrq-trigger\n")
    bench.machine.wait_for("end Kernel panic", bench.machine.command_seconds())
    to_monitor(bench.machine)
    check_monitor(bench.machine)


def restart_boots_linux_again(bench):
    """Without the machine's firmware."""
    bench.machine.send_line("restart")
    GUESTS[bench] = linux.Linux(bench.machine, up_seconds(bench.machine))
    check(GUESTS[bench].cpus == 2, f"{GUESTS[bench].cpus} CPUs are online")
    GUESTS[bench].check_log()


add_group("the_monitor_beside_linux", [
    the_escape_key_reaches_the_monitor,
    the_escape_key_goes_back_to_linux,
    a_long_line_of_keys_reaches_linux,
    the_monitor_answers_while_linux_is_busy,
    the_monitor_answers_after_linux_crashed,
    restart_boots_linux_again,
], cost=10)


# VT-x, in Bochs.


def boots_in_bochs(bench, cpus):
    """Up to init, with a clean log, and off again."""
    guest = start(bench, arguments=linux.FAST, emulator="bochs", cpus=cpus, memory=512)
    check(guest.cpus == cpus, f"{guest.cpus} CPUs of {cpus} are online")
    guest.check_log()
    offered = guest.run(f"cat {CLOCK}available_clocksource")
    check("kvm-clock" in offered, f"Linux has {offered}")
    guest.run(f"echo kvm-clock > {CLOCK}current_clocksource")
    clocks = "read up _ < /proc/uptime; cat /sys/class/rtc/rtc0/since_epoch; echo ${up%.*}"
    rtc, up = map(int, guest.run(clocks).split())
    rtc_last, up_last = rtc, up
    while rtc_last < rtc + 4:
        rtc_last, up_last = map(int, guest.run(clocks).split())
    check(abs(rtc_last - rtc - (up_last - up)) <= 1,
          f"{up_last - up} s by kvm-clock are {rtc_last - rtc} s by the RTC")
    bench.machine.send(b"poweroff -f\n")
    bench.machine.wait_until_off()


@test(cost=25)
def linux_boots_by_vtx_on_one_cpu(bench):
    """In Bochs."""
    boots_in_bochs(bench, 1)


@test(cost=40, long=True)
def linux_boots_by_vtx_on_two_cpus(bench):
    """In Bochs."""
    boots_in_bochs(bench, 2)
