# SPDX-License-Identifier: GPL-2.0-only
"""Debian's own kernels for the service VM, with an initial file system of ours; made in build/linux."""

import functools
import os
import pathlib
import re
import threading
import zlib

from harness import Failure, check

import debian
import initramfs
from debian import PLACE, output_of

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
# between a command and its output. One line, which can also be typed.
LOOP = (
    "stty -echo; echo \"SERVICE-VM-UP cpus=$(nproc)"
    " memory=$(awk '/MemTotal/ {print $2}' /proc/meminfo) $(uname -r)\";"
    " while :; do while read -r line; do eval \"$line\"; echo \"=$?=DONE\"; done; done\n")

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
""" + LOOP

UP = r"SERVICE-VM-UP cpus=(\d+) memory=(\d+) (\S+)\n"

_lock = threading.Lock()  # held while something is fetched or made


def whole_file(path, make):
    """Have make(a path) write this file, so that a test beside this one reads no part of it; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    make(own)
    own.replace(path)
    return path


def package_files(package, *patterns):
    """The first file of this package for each pattern, unpacked."""
    with _lock:
        folder = debian.unpack(package)
        return [next(folder.glob(pattern)) for pattern in patterns]


def compile_program(name):
    """The program made from NAME.c of this folder, as a path."""
    program = PLACE / name
    output_of("gcc", "-std=gnu17", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o",
              str(program), str(pathlib.Path(__file__).with_name(f"{name}.c")))
    return program


def make_archive(modules, programs, files=()):
    """The initial file system with these kernel modules and programs.

    files: (name there, path here) of more files.
    """
    archive = initramfs.Archive()
    for name in ("dev", "proc", "sys", "tmp", "mnt", "files"):
        archive.add_folder(name)
    archive.add("init", INIT.encode(), 0o755)
    for path in (BUSYBOX, *programs):
        archive.add_file("bin/" + path.name, path)
    archive.add("modules/order", "".join(path.name + "\n" for path in modules).encode())
    for path in modules:
        archive.add_file("modules/" + path.name, path)
    for name, path in files:
        archive.add_file(name, path, 0o755)
    return archive


def with_more(kind, more):
    """As files(), with more files (see make_archive) in the initial file system."""
    with _lock:
        return _files(kind, more)


@functools.lru_cache(maxsize=None)
def _files(kind, more=()):
    check(BUSYBOX.is_file(), f"no {BUSYBOX}: install busybox-static")
    package, modules, programs = KERNELS[kind]
    folder = debian.unpack_kernel(package)
    archive = make_archive(debian.module_order(folder, modules),
                           [compile_program(name) for name in programs], more)
    packed = archive.packed(6 if not more else 1)
    # Two machines at once may have the same kind with different files.
    contents = f".{zlib.crc32(packed):08x}" if more else ""
    initrd = PLACE / f"{folder.name}.{kind}{contents}.initrd.gz"
    initramfs.write(initrd, packed)
    return debian.kernel_file(folder), initrd


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
