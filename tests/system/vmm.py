# SPDX-License-Identifier: GPL-2.0-only
"""A Linux with KVM in which pintle-vmm has guests; the serial line leads to it or to a guest.

A guest runs in the foreground of the outer Linux, with the outer terminal as its serial port: what
is sent goes to the guest until it ends, and then to the outer Linux again.
"""

import gzip
import subprocess

import linux
import service
from harness import ROOT, Failure, check

GUEST = "--kernel /files/vmlinuz --initrd /files/initrd --cmdline 'console=ttyS0 quiet'"
UP_SECONDS = 180
HERE = ROOT / "tests" / "system"


def multiboot_kernel():
    """A few-byte guest for the Multiboot loader, as a path."""
    return linux.whole_file(linux.PLACE / "multiboot", lambda path: linux.output_of(
        "gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,-Ttext=0x200000",
        "-o", str(path), str(HERE / "multiboot.S")))


def pvh_kernel(bzimage):
    """The ELF file in Debian's bzImage, which has a PVH entry: compressed by LZ4 there."""
    data = bzimage.read_bytes()
    begin = data.find(bytes.fromhex("02214c18"))  # the magic number of its old format
    check(begin >= 0, f"{bzimage} is not compressed by LZ4 any more")
    # What follows the compressed part is no LZ4: lz4 says so when it has done its work.
    done = subprocess.run(["lz4", "-dc"], input=data[begin:], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    check(done.stdout.startswith(b"\x7fELF"), f"no ELF file in {bzimage}")
    return linux.whole_file(linux.PLACE / "vmlinux", lambda path: path.write_bytes(done.stdout))


def unzipped(path):
    """What is in this gzip file, as a path."""
    return linux.whole_file(linux.PLACE / path.stem,
                            lambda plain: plain.write_bytes(gzip.decompress(path.read_bytes())))


def start(bench, more=(), arguments="mitigations=off", **setup):
    """Switch a machine on whose Linux has KVM, pintle-vmm and what a guest is made of."""
    setup = {"cpus": 2, "memory": 1536, **setup}
    kernel, initrd = linux.files("guest")
    files = (("bin/pintle-vmm", str(ROOT / "build" / "pintle-vmm")),
             ("files/vmlinuz", str(kernel)), ("files/initrd", str(initrd)), *more)
    outer_kernel, outer_initrd = linux.with_more("kvm", files)
    machine = bench.start(modules=((str(outer_kernel), "kernel", f"{linux.CONSOLE} {arguments}"),
                                   (str(outer_initrd), "initrd", "")),
                          native=True, **setup)
    bench.outer = linux.Linux(machine, service.up_seconds(machine))
    bench.outer.run("[ -c /dev/kvm ]")
    bench.outer.run("mkdir -p /dev/pts && mount -t devpts devpts /dev/pts")
    return bench.outer


# passt leaves its root behind by pivot_root(), which an initial file system cannot: the outer Linux
# goes to a tmpfs first. And passt is linked with a shared libc.
PASST = (("files/passt", "/usr/bin/passt"), ("files/ld.so", "/lib64/ld-linux-x86-64.so.2"),
         ("files/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"))
NEW_ROOT = (
    "mount -t tmpfs none /mnt && cp -a /bin /files /init /mnt/ && cd /mnt"
    " && mkdir -p dev proc sys tmp mnt modules lib64 etc lib/x86_64-linux-gnu && : > modules/order"
    " && cp /files/ld.so lib64/ld-linux-x86-64.so.2 && cp /files/libc.so.6 lib/x86_64-linux-gnu/"
    " && printf 'root:x:0:0::/:/bin/sh\\nnobody:x:65534:65534::/:/bin/sh\\n' > etc/passwd"
    " && chmod 1777 tmp; cd /")


def start_passt(bench):
    """passt in the outer Linux, which has a network of its own for it to show; its socket."""
    outer = bench.outer
    outer.run(NEW_ROOT, 60)
    bench.machine.send(b"exec switch_root /mnt /init\n")
    bench.outer = outer = linux.Linux(bench.machine, UP_SECONDS)
    outer.run("ip link set lo up && tunctl -t ext > /dev/null && ip address add 10.5.0.2/24 dev ext"
              " && ip link set ext up && ip route add default via 10.5.0.1"
              " && echo nameserver 10.5.0.1 > /etc/resolv.conf")
    outer.run("/files/passt -f -s /tmp/passt.sock > /tmp/passt.log 2>&1 & true")
    wait_in_outer(bench, "grep 'socket bound' /tmp/passt.log")
    return "/tmp/passt.sock"


def send_run(bench, options):
    """Start pintle-vmm in the foreground; nothing is waited for."""
    bench.machine.send(f"pintle-vmm run {options}\n".encode())


def run_guest(bench, options="", guest=GUEST, seconds=UP_SECONDS):
    """Start a Linux guest in the foreground; it answers commands when this returns."""
    seen = len(bench.machine.screen.text)
    send_run(bench, f"{guest} {options}")
    bench.guest = linux.Linux(bench.machine, seconds)
    check("NO-MODULE" not in bench.machine.screen.text[seen:], "a driver does not load in the guest")
    return bench.guest


def ended(bench, status, text, seconds=60):
    """The guest in the foreground has ended, with this status of pintle-vmm and these words."""
    code, output = bench.outer.answer(seconds)
    check(code == status, f"pintle-vmm's status is {code} instead of {status}: {output[-300:]!r}")
    check(text in output, f"{text!r} is not in {output[-300:]!r}")
    return output


def power_off(bench):
    """The guest in the foreground switches itself off."""
    bench.machine.send(b"poweroff -f\n")
    ended(bench, 0, "the guest switches itself off")


def refused(bench, options, text):
    """pintle-vmm refuses these options, and says why in one sentence."""
    status, output = bench.outer.try_run(f"pintle-vmm run {options} 2>&1")
    lines = output.strip().splitlines()
    check(status == 1 and len(lines) == 1 and lines[0].startswith("pintle-vmm: ") and text in output,
          f"`run {options}` gives status {status}: {output.strip()!r}; expected {text!r}")


def background(bench, name, options):
    """Start a guest in the background, its serial port a pseudo-terminal; the path of that."""
    bench.outer.run(f"pintle-vmm run {options} --serial pty > /tmp/{name}.log 2>&1 & "
                    f"echo $! > /tmp/{name}.pid")
    text = wait_in_outer(bench, f"sed -n 's/.*serial port is //p' /tmp/{name}.log")
    terminal = text.strip()
    bench.outer.run(f"cat {terminal} > /tmp/{name}.out & true")
    return terminal


def first_screen(bench, name, options, pattern, seconds=UP_SECONDS):
    """Start a guest in the background until this stands in what its serial port said, and end it."""
    bench.outer.run(f"pintle-vmm run {options} --serial /tmp/{name}.out > /tmp/{name}.log 2>&1 &"
                    f" echo $! > /tmp/{name}.pid")
    wait_in_outer(bench, f"cat /tmp/{name}.log; grep -aoE '{pattern}' /tmp/{name}.out", seconds)
    log = bench.outer.run(f"cat /tmp/{name}.log")
    check(not log, f"pintle-vmm said {log.strip()!r}")
    bench.outer.run(f"kill -INT $(cat /tmp/{name}.pid)")
    wait_in_outer(bench, f"grep stopped /tmp/{name}.log")
    bench.outer.run(f"rm /tmp/{name}.out")


def wait_in_outer(bench, command, seconds=UP_SECONDS):
    """Repeat a command in the outer Linux until it prints something: that."""
    loop = (f"n=0; while r=$({{ {command}; }} 2>/dev/null); [ -z \"$r\" ] && [ $n -lt {seconds * 2} ]; do"
            " n=$((n+1)); usleep 500000; done; echo \"$r\"")
    text = bench.outer.run(loop, 3 * seconds)
    if not text.strip():
        raise Failure(f"`{command}` printed nothing in {seconds} s")
    return text


def free_kib(bench):
    """Free memory of the outer Linux, without its caches.

    Each of its CPUs keeps free pages of its own, up to 27 MiB here, which it does not count as free.
    """
    bench.outer.run("sync; echo 3 > /proc/sys/vm/drop_caches")
    return int(bench.outer.run("awk '/MemAvailable/ {n += $2} $1 == \"count:\" {n += 4 * $2} END {print n}'"
                               " /proc/meminfo /proc/zoneinfo"))
