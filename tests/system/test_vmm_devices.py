# SPDX-License-Identifier: GPL-2.0-only
"""pintle-vmm's virtio devices, with Debian's drivers, on stock KVM in QEMU."""

import pathlib
import re

import vmm
from harness import add_group, check

PASST = ("/usr/bin/passt", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6")
MIB = 24  # that a transfer moves


def linux_with_kvm_and_networks_starts(bench):
    """The first step: it starts the machine."""
    vmm.start(bench, tuple(("files/" + pathlib.Path(path).name, path) for path in PASST))
    bench.outer.run("ifconfig lo 127.0.0.1 up")


def start_guest(bench, options):
    """A guest in the background, which answers commands when this returns."""
    bench.terminal = vmm.background(bench, "guest", f"{vmm.GUEST} --mem 256 {options}")
    vmm.wait_in_outer(bench, "grep SERVICE-VM-UP.*amd64 /tmp/guest.out")


def tell(bench, command, seconds=vmm.UP_SECONDS):
    """Run a command (without a ') in the guest in the background; what it printed."""
    begin = int(bench.outer.run("stat -c %s /tmp/guest.out"))
    bench.outer.run(f"echo '{command}' > {bench.terminal}")
    # Its =DONE would be taken for the outer Linux's.
    new = f"tail -c +{begin + 1} /tmp/guest.out"
    text = vmm.wait_in_outer(bench, f"{new} | grep -q =DONE && {new} | sed s/=DONE/=done/", seconds)
    found = re.search(r"=(\d+)=done", text)
    check(found[1] == "0", f"{command!r} gave status {found[1]} in the guest: {text!r}")
    return text[:found.start()].replace("\r", "")


def end_guest(bench):
    """It switches itself off, and pintle-vmm has nothing to complain about."""
    bench.outer.run(f"echo 'poweroff -f' > {bench.terminal}")
    vmm.wait_in_outer(bench, "grep 'switches itself off' /tmp/guest.log")
    log = bench.outer.run("cat /tmp/guest.log")
    check("broke virtio" not in log, f"a driver broke a rule: {log!r}")


def features(bench, device, *bits):
    """Whether Linux took these features of the first device of this kind."""
    text = tell(bench, f"cat /sys/bus/virtio/drivers/{device}/virtio*/features").strip()
    return all(text[bit] == "1" for bit in bits)


def transfer(bench, address):
    """A file each way between the guest and who answers at this address in the outer Linux."""
    bench.outer.run(f"dd if=/dev/urandom of=/tmp/there bs=1M count={MIB} 2> /dev/null")
    # Busybox' nc ends when the other end does: whoever only receives has an input that never ends.
    bench.outer.run("rm -f /tmp/back /tmp/quiet; mkfifo /tmp/quiet; nc -l -p 5001 < /tmp/there > /dev/null &"
                    " nc -l -p 5002 <> /tmp/quiet > /tmp/back & true")
    tell(bench, f"mkfifo /tmp/quiet; nc {address} 5001 <> /tmp/quiet > /tmp/file; nc {address} 5002 < /tmp/file",
         300)
    sent = bench.outer.run("sha256sum < /tmp/there")
    vmm.wait_in_outer(bench, f"stat -c %s /tmp/back | grep {MIB * 2**20}", 20)
    back = bench.outer.run("sha256sum < /tmp/back")
    check(sent == back, "other bytes came back than were sent")


def over_tap(bench):
    """Ping, and a file each way, between the guest and the tap."""
    bench.outer.run("ifconfig tap0 10.9.9.1 netmask 255.255.255.0 up")
    tell(bench, "ifconfig eth0 10.9.9.2 netmask 255.255.255.0 up && ping -c 3 10.9.9.1 > /dev/null")
    transfer(bench, "10.9.9.1")


def a_tap_connects_a_guest_in_user_space(bench):
    """Packed rings, checksums and segmentation left to whoever needs them."""
    bench.outer.run("mv /dev/vhost-net /dev/vhost-net.away")
    start_guest(bench, "--net tap=tap0")
    check(features(bench, "virtio_net", 0, 1, 7, 11, 15, 34), "not all offloads, or no packed ring")
    over_tap(bench)
    large = int(tell(bench, "cat /sys/class/net/eth0/statistics/rx_packets"))
    end_guest(bench)
    bench.outer.run("mv /dev/vhost-net.away /dev/vhost-net")
    check(large < MIB * 2**20 / 4000, f"{large} frames came for {MIB} MiB: no segmentation offload")
    return f"{large} frames came for {MIB} MiB"


def vhost_net_serves_a_tap(bench):
    """The same with /dev/vhost-net."""
    start_guest(bench, "--net tap=tap0")
    held = bench.outer.run("ls -l /proc/$(cat /tmp/guest.pid)/fd | grep -c vhost-net || true")
    check(int(held) == 1, "pintle-vmm does not hold /dev/vhost-net")
    over_tap(bench)
    end_guest(bench)


def passt_connects_a_guest(bench):
    """Without privileges: the outer Linux is at its gateway."""
    bench.outer.run("tunctl -t tap9 > /dev/null && ifconfig tap9 10.8.8.8 netmask 255.255.255.0 up"
                    " && route add default gw 10.8.8.1")
    # It wants a user "nobody", and a root that is not the initial file system, to put itself in a
    # sandbox: what switch_root(8) does, in a name space of its own.
    bench.outer.run("mkdir /jail && mount -t tmpfs jail /jail && cd /jail && mkdir -m 1777 tmp && mkdir etc dev proc"
                    " && echo nobody:x:65534:65534::/:/bin/sh > etc/passwd && cp -r /files . && mount -t proc proc proc"
                    " && mount -t devtmpfs dev dev; cd /")
    bench.outer.run("unshare -m sh -c 'cd /jail && mount -o move . / && exec chroot . /files/ld-linux-x86-64.so.2"
                    " --library-path /files /files/passt -f -e -1 --socket /tmp/passt.sock' > /tmp/passt.log 2>&1 & true")
    vmm.wait_in_outer(bench, "grep -i -E 'you can now|exiting' /tmp/passt.log", 20)
    start_guest(bench, "--net passt=/jail/tmp/passt.sock")
    lease = tell(bench, "ifconfig eth0 up && udhcpc -i eth0 -n -q -t 10 -s /bin/true 2>&1")
    check("lease of 10.8.8.8 obtained" in lease, f"udhcpc says {lease!r}")
    # Not more than a few bytes: from this nested guest passt has reset longer transfers, and why is not
    # known (its timers of 2 s are a guess); vmm_passt fetches more.
    bench.outer.run("while :; do echo from outside | nc -l -p 5001 > /dev/null; done & true")
    said = tell(bench, "ifconfig eth0 10.8.8.8 netmask 255.255.255.0 && route add default gw 10.8.8.1; n=0;"
                " mkfifo /tmp/quiet; until nc 10.8.8.1 5001 <> /tmp/quiet || [ $n = 5 ]; do n=$((n+1)); done")
    check("from outside" in said, f"nc says {said!r}")
    end_guest(bench)


add_group("vmm_devices", [
    linux_with_kvm_and_networks_starts,
    a_tap_connects_a_guest_in_user_space,
    vhost_net_serves_a_tap,
    passt_connects_a_guest,
], long=True, cost=60)
