# SPDX-License-Identifier: GPL-2.0-only
"""Debian's own kernels for the service VM: fetched, unpacked, with an initial file system of ours.

Nothing of it is committed: packages are in build/debs, what is made of them in build/linux.
"""

import functools
import gzip
import os
import pathlib
import re
import stat
import subprocess
import threading
import zlib

from harness import ROOT, Failure, check

DEBS = ROOT / "build" / "debs"
PLACE = ROOT / "build" / "linux"
BUSYBOX = pathlib.Path("/bin/busybox")

# The package that depends on the kernel to take, and what the initial file system has besides
# busybox: kernel modules, and programs made from C files of this folder.
KERNELS = {
    "cloud": ("linux-image-cloud-amd64", (), ("stress", "wakeups")),
    "generic": ("linux-image-amd64", (
        "crc32c_generic", "ext4", "sd_mod", "ahci", "ata_piix", "nvme", "virtio_pci", "virtio_blk",
        "e1000e", "e1000"), ("stress",)),
    # A Linux that has guests of its own by KVM, and such a guest.
    "kvm": ("linux-image-cloud-amd64", ("kvm_amd", "kvm_intel", "tun", "vhost_net"), ()),
    "guest": ("linux-image-cloud-amd64", (
        "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "button",
        "evdev"), ()),
}

CONSOLE = "console=ttyS0,115200 quiet"
# Leaves out what costs Bochs minutes and is not what a test is about.
FAST = "cryptomgr.notests tsc=reliable mitigations=off no_timer_check nokaslr audit=0"

# A command loop in place of an interactive shell: no echo, no prompt and no line editing come
# between a command and its output.
INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
dmesg -n 1
while read -r module; do
	insmod "/modules/$module" || echo "NO-MODULE $module"
done < /modules/order
stty -echo
echo "SERVICE-VM-UP cpus=$(nproc) memory=$(awk '/MemTotal/ {print $2}' /proc/meminfo) $(uname -r)"
while :; do
	while read -r line; do
		eval "$line"
		echo "=$?=DONE"
	done
done
"""

UP = r"SERVICE-VM-UP cpus=(\d+) memory=(\d+) (\S+)\n"

_lock = threading.Lock()  # held while something is fetched or made


def output_of(*command, **options):
    """What a command prints; a Failure with its complaint when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    check(done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout.strip()}")
    return done.stdout


def fetch(package):
    """The .deb of this package, downloaded if it is not here."""
    DEBS.mkdir(parents=True, exist_ok=True)
    have = sorted(DEBS.glob(package + "_*.deb"))
    if not have:
        # As root, apt would rather write as its own user, who may not: it says so and goes on.
        output_of("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=DEBS)
        have = sorted(DEBS.glob(package + "_*.deb"))
    return have[-1]


def fetch_kernel(package):
    """The .deb of the kernel that `package` depends on now."""
    found = re.search(r"Depends: (linux-image-\S+)", output_of("apt-cache", "depends", package))
    check(found, f"{package} depends on no kernel: is the package list there (apt-get update)?")
    return fetch(found[1])


def unpack_deb(deb):
    """The folder with what this package holds."""
    folder = PLACE / deb.stem
    if not folder.is_dir():
        half = PLACE / (deb.stem + ".part")  # a run that was interrupted leaves only this
        half.mkdir(parents=True, exist_ok=True)
        output_of("dpkg-deb", "-x", str(deb), str(half))
        half.rename(folder)
    return folder


def unpack(kind):
    """The folder with what the kernel package of this kind holds."""
    return unpack_deb(fetch_kernel(KERNELS[kind][0]))


def package_files(package, *patterns):
    """The first file of this package for each pattern, unpacked."""
    with _lock:
        folder = unpack_deb(fetch(package))
        return [next(folder.glob(pattern)) for pattern in patterns]


def module_order(folder, wanted):
    """The files of these kernel modules and of all that they need, each after what it needs."""
    def name_of(text):
        return text.replace("-", "_")

    files = {name_of(path.stem): path for path in (folder / "lib" / "modules").rglob("*.ko")}
    order = []

    def add(name):
        # What is built in has no file and needs none.
        path = files.get(name_of(name))
        if path is None or path in order:
            return
        needs = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for need in needs[1].decode().split(",") if needs else ():
            add(need)
        order.append(path)

    for name in wanted:
        add(name)
    return order


def archive_entry(number, name, mode, data):
    """One file of a cpio archive in the format that Linux takes (buffer-format.rst, "newc")."""
    def padded(text):
        return text + bytes(-len(text) % 4)

    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(head + name.encode() + b"\0") + padded(data)


def compile_program(name):
    """The program made from NAME.c of this folder, as a path."""
    program = PLACE / name
    output_of("gcc", "-std=gnu17", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o",
              str(program), str(pathlib.Path(__file__).with_name(f"{name}.c")))
    return program


def make_archive(modules, programs, files=()):
    """The initial file system with these kernel modules and programs; the same for the same input.

    files: (name there, path here) of more files, in folders that are there or in `files` before them.
    """
    entries = [(name, stat.S_IFDIR | 0o755, b"")
               for name in ("bin", "dev", "proc", "sys", "tmp", "mnt", "modules", "files")]
    entries += [("init", stat.S_IFREG | 0o755, INIT.encode()),
                *(("bin/" + path.name, stat.S_IFREG | 0o755, path.read_bytes())
                  for path in (BUSYBOX, *programs)),
                ("modules/order", stat.S_IFREG | 0o644,
                 "".join(path.name + "\n" for path in modules).encode())]
    entries += [("modules/" + path.name, stat.S_IFREG | 0o644, path.read_bytes())
                for path in modules]
    entries += [(name, stat.S_IFREG | 0o755, pathlib.Path(path).read_bytes())
                for name, path in files]
    entries.append(("TRAILER!!!", 0, b""))
    return b"".join(archive_entry(number, *entry) for number, entry in enumerate(entries, 1))


def with_more(kind, more):
    """As files(), with more files (see make_archive) in the initial file system."""
    with _lock:
        return _files(kind, more)


@functools.lru_cache(maxsize=None)
def _files(kind, more=()):
    check(BUSYBOX.is_file(), f"no {BUSYBOX}: install busybox-static")
    folder = unpack(kind)
    _, modules, programs = KERNELS[kind]
    # Two machines at once may have the same kind with other files.
    which = f".{zlib.crc32(repr(more).encode()):08x}" if more else ""
    initrd = PLACE / f"{folder.name}.{kind}{which}.initrd.gz"
    data = gzip.compress(make_archive(module_order(folder, modules),
                                      [compile_program(name) for name in programs], more),
                         6 if not more else 1, mtime=0)
    if not initrd.is_file() or initrd.read_bytes() != data:
        half = initrd.with_suffix(".part")
        half.write_bytes(data)
        os.replace(half, initrd)
    return next((folder / "boot").glob("vmlinuz-*")), initrd


def files(kind):
    """(kernel, initrd) of this kind, as paths; they are made when they are not there."""
    with _lock:
        return _files(kind)


def boot_modules(kind, arguments=""):
    """The boot modules with which Pintle starts this kernel as the service VM."""
    kernel, initrd = files(kind)
    return ((str(kernel), "kernel", f"{CONSOLE} {arguments}".strip()), (str(initrd), "initrd", ""))


class Linux:
    """A Linux at the other end of a machine's serial line, once it has said that it is up."""

    def __init__(self, machine, seconds):
        self.machine = machine
        found = machine.wait_for(UP, seconds)
        self.cpus = int(found[1])
        self.memory = int(found[2])  # KiB
        self.release = found[3]

    def try_run(self, command, seconds=None):
        """Run a command; its status and what it printed."""
        self.machine.send(command.encode() + b"\n")
        return self.answer(seconds)

    def answer(self, seconds=None):
        """Status and output of a command that has been sent."""
        text, found = self.machine.text_until(r"=(\d+)=DONE\n",
                                              seconds or self.machine.command_seconds())
        return int(found[1]), text.lstrip("\n")

    def run(self, command, seconds=None):
        """Run a command that must succeed; what it printed."""
        status, text = self.try_run(command, seconds)
        if status != 0:
            raise Failure(f"{command!r} gave status {status}: {text.strip()[-300:]!r}")
        return text

    def check_log(self):
        """Nothing in the kernel's log speaks of a fault; warnings of mitigations do not count."""
        text = self.run("dmesg | grep -E 'WARNING|BUG|Call Trace|Oops|soft lockup|stall|irq .*nobody'"
                        " | grep -vE 'RETBleed|Spectre|Speculative' || true")
        check(not text.strip(), f"dmesg says: {text.strip()[:300]!r}")

    def interrupts(self, name):
        """How often an interrupt whose line in /proc/interrupts has this name was taken."""
        total = 0
        for line in self.run("cat /proc/interrupts").splitlines():
            words = line.split()
            if re.search(name, line) and re.fullmatch(r"\w+:", words[0]):
                total += sum(int(word) for word in words[1:1 + self.cpus] if word.isdigit())
        return total
