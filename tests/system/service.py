# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the service VM share: starting Linux under Pintle, and the monitor beside it."""

import contextlib
import hashlib
import http.server
import random
import threading

import linux
from harness import Failure, check, emulator

ESCAPE = b"\x1c"  # Ctrl-\, between the service VM and the monitor
UP_SECONDS = {"qemu": 90, "bochs": 300}

# What the command line of Linux needs in each emulator.
ARGUMENTS = {"qemu": "", "bochs": linux.FAST}


def start(bench, kind="cloud", arguments="", cmdline="", native=False, more=(), before=None,
          **setup):
    """Start a machine with Linux as the service VM, or natively, and wait until that is up.

    more: further boot modules. before: called with the machine when Pintle has started.
    """
    arguments = f"{ARGUMENTS[setup.get('emulator', 'qemu')]} {arguments}".strip()
    machine = bench.start(cmdline, modules=(*linux.boot_modules(kind, arguments), *more),
                          native=native, **setup)
    bench.guest = None
    try:
        if before is not None:
            machine.wait_for("service VM: [1-9]", machine.boot_seconds())
            before(machine)
        bench.guest = linux.Linux(machine, up_seconds(machine))
    except Failure:
        examine(machine)
        raise
    check("NO-MODULE" not in machine.screen.text, "a driver does not load")
    return bench.guest


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
    factor = machine.setup.cpus if machine.setup.emulator == "bochs" else 1
    return (seconds + firmware) * (factor + machine.setup.cpus // 4)


def to_monitor(machine):
    """Take the keys from the service VM; returns when the prompt is there."""
    machine.send(ESCAPE)
    machine.wait_for(r"\[monitor; .*?pintle> ", machine.command_seconds())


def to_guest(machine):
    """Give the keys to the service VM."""
    machine.send(ESCAPE)
    machine.wait_for(r"\[service VM; [^\n]*\n", machine.command_seconds())


def check_monitor(machine):
    """The monitor answers, with the facts."""
    check(f"{machine.setup.cpus} online" in machine.command("cpus"), "cpus is silent")
    check("Pintle" in machine.command("version"), "version is silent")


def power_off(bench):
    """Through ACPI, from Linux."""
    bench.machine.send(b"poweroff -f\n")
    bench.machine.wait_until_off()


def up_again(bench, slowness=1):
    """Linux comes up once more on this machine, with all CPUs; so many times slower than alone."""
    try:
        bench.guest = linux.Linux(bench.machine, slowness * up_seconds(bench.machine))
    except Failure:
        examine(bench.machine)
        raise
    check(bench.guest.cpus == bench.machine.setup.cpus, f"{bench.guest.cpus} CPUs are online")


def disks(bench):
    """The names that Linux gives the disks of this machine."""
    return emulator.DISKS[bench.machine.setup.emulator]


# How each device's interrupts are named in /proc/interrupts; each of its kind of machine.
INTERRUPTS = {
    "qemu": {"sda": "PCI-MSI.*ahci", "nvme0n1": r"PCI-MSI.*nvme0q[1-9]",
             "vda": r"PCI-MSI.*virtio\d+-req", "eth0": "PCI-MSI.*eth0-rx"},
    "bochs": {"sda": "IO-APIC.*ata_piix", "eth0": "IO-APIC.*eth0"},
}


@contextlib.contextmanager
def interrupts_of(bench, device):
    """In the block, the device must interrupt; gives a list that will hold how often."""
    name = INTERRUPTS[bench.machine.setup.emulator][device]
    before = bench.guest.interrupts(name)
    counts = []
    yield counts
    counts.append(bench.guest.interrupts(name) - before)
    check(counts[0] > 0, f"/proc/interrupts does not grow for {name}")


def make_file_system(bench, name):
    """On the whole disk `name`, when its driver has found it; mounted on /mnt afterwards."""
    bench.guest.run(
        f"for i in $(seq 100); do [ -b /dev/{name} ] && break; usleep 100000; done;"
        f" mke2fs /dev/{name} > /dev/null && mount -t ext4 /dev/{name} /mnt", 180)


def use_disk(bench, name):
    """A file on a new file system is read back from the disk, not from memory, and unchanged."""
    guest = bench.guest
    with interrupts_of(bench, name) as counts:
        make_file_system(bench, name)
        written = guest.run("dd if=/dev/urandom of=/tmp/file bs=64k count=64 2> /dev/null;"
                            " cp /tmp/file /mnt/file; sha256sum < /tmp/file", 120)
        guest.run("umount /mnt; sync; echo 3 > /proc/sys/vm/drop_caches")
        read = guest.run(f"mount -t ext4 /dev/{name} /mnt && sha256sum < /mnt/file; umount /mnt",
                         120)
    check(read == written and len(read) > 60, f"{name}: wrote {written!r}, read {read!r}")
    return f"{name} {counts[0]}"


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


def use_network(bench):
    """A file comes from a server on this host, through the emulator's user network, unchanged."""
    guest = bench.guest
    data = random.Random(1).randbytes(2 << 20)
    with interrupts_of(bench, "eth0") as counts:
        guest.run("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
        guest.run("for i in $(seq 100); do"
                  " [ $(cat /sys/class/net/eth0/carrier) = 1 ] && break; usleep 100000; done")
        with web_server(data) as port:
            # Debian 12's busybox crashes, natively too, when this is its first wget and has -q -T.
            guest.run(f"wget -O /tmp/file http://10.0.2.2:{port}/file 2> /dev/null", 120)
        digest = guest.run("sha256sum < /tmp/file", 180).split()[0]
    check(digest == hashlib.sha256(data).hexdigest(), f"the file has the digest {digest}")
    return f"{counts[0]} interrupts"
