# SPDX-License-Identifier: GPL-2.0-only
"""The main job: the ISO brings up the service VM, and that runs guests whose devices it serves."""

import functools
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

import image
import mkimage
import service
from harness import ROOT, add_group, check, emulator, test

# MiB of the file on a guest's disk, and of what goes over its network.
DISK_MIB, NETWORK_MIB = 64, 16

# Each: what is wrong with the file, the line in it, and what is said.
REFUSED = [
    ("a setting that is not there", "colour = red", "colour"),
    ("a disk that is not there", "disk = /no/disk", "/no/disk"),
    ("a disk that another guest has", "disk = /var/lib/pintle/one.img", "one.img"),
    ("a tap that another guest has", "net = tap=one", "the interface one is in use"),
    ("no number", "cpus = many", "many"),
    ("not yes and not no", "autostart = perhaps", "perhaps"),
]


def both(bench):
    """For each of the two guests: its name, and its shell while its console is shown."""
    for name in ("one", "two"):
        with image.at_console(bench, name) as shell:
            yield name, shell


def the_iso_brings_up_the_service_vm_and_its_demo_guest(bench, setup):
    """The first step: it starts the machine."""
    image.start(bench, **setup)
    check(image.state(bench, "demo") == "runs", "the demo guest does not run")


def a_person_logs_in_to_it_and_uses_disk_and_network(bench):
    """The network is that of the machine, by NAT."""
    with image.at_console(bench, "demo") as shell, service.web_server(b"from outside") as port:
        check("/dev/vda on / type ext4" in shell.run("mount"), "its root is not on its disk")
        shell.run("echo kept > /root/file; sync")
        shell.run("ping -c 2 10.90.0.1", image.seconds_for(bench, 30))
        text = shell.run(f"wget -O - http://10.0.2.2:{port}/ 2> /dev/null", image.seconds_for(bench, 60))
        check(text == "from outside", f"wget gets {text!r}")


def it_stops_when_told(bench):
    """By its power button; nothing of it is left, and its disk keeps what was written."""
    text = bench.outer.run("pintle stop demo", image.seconds_for(bench, 90))
    check("demo is off" in text, f"`pintle stop` says {text.strip()!r}")
    check(image.state(bench, "demo") == "stopped", "the list says that it runs")
    bench.before = image.counts(bench)
    check(bench.before[:2] in ((), (0, 0)), f"VMs and pieces are {bench.before}")
    text = bench.outer.run("/sbin/e2fsck -fn /var/lib/pintle/demo.img 2>&1", image.seconds_for(bench, 30))
    check("journal" not in text and "? no" not in text, f"e2fsck says {text.strip()!r}")


def two_guests_run_at_once(bench):
    """With one vCPU and with two."""
    for name, cpus in (("one", 1), ("two", 2)):
        image.write_config(bench, name, f"cpus = {cpus}", "mem = 192", "rng = yes")
        image.start_guest(bench, name)
    for (name, shell), cpus in zip(both(bench), (1, 2)):
        check(shell.cpus == cpus, f"{name} has {shell.cpus} CPUs")
        shell.run("dd if=/dev/hwrng of=/dev/null bs=64 count=4 2> /dev/null")
    found = image.counts(bench)
    check(found[:1] in ((), (2,)), f"VMs and pieces are {found}")


def files_outlive_a_reboot_of_each_guest(bench):
    """On their disks, written by both at once."""
    for _, shell in both(bench):
        shell.run(f"(dd if=/dev/urandom of=/root/file bs=1M count={DISK_MIB} 2> /dev/null;"
                  " sha256sum /root/file > /root/sum; sync; echo > /tmp/written) & true")
    for _, shell in both(bench):
        shell.run("until [ -e /tmp/written ]; do sleep 1; done", image.seconds_for(bench, 300))
    for name in ("one", "two"):
        console = bench.consoles[name]
        console.open()
        bench.machine.send(b"reboot\n")
        console.log_in()
        console.close()
    for name, shell in both(bench):
        text = shell.run("sha256sum -c /root/sum", image.seconds_for(bench, 120))
        check(text == "/root/file: OK\n", f"{name}: {text.strip()!r}")
        check("restarts" in bench_log(bench, name), f"{name} has not restarted")


def bench_log(bench, name):
    """What pintle-vmm said of a guest, read from outside its console."""
    bench.consoles[name].close()
    text = bench.outer.run(f"cat /run/pintle/{name}.log")
    bench.consoles[name].open()
    return text


def files_go_over_the_network_both_ways(bench):
    """And pings, from each guest."""
    limit = image.seconds_for(bench, 120)
    bench.outer.run(f"mkdir -p /tmp/www && dd if=/dev/urandom of=/tmp/www/file bs=1M count={NETWORK_MIB} 2> /dev/null;"
                    " httpd -h /tmp/www", limit)
    wanted = bench.outer.run("sha256sum < /tmp/www/file", limit)
    addresses = {}
    for name, shell in both(bench):
        shell.run("ping -c 3 -i 0.2 10.90.0.1 | grep ' 0% packet loss'", limit)
        got = shell.run("wget -O /tmp/file http://10.90.0.1/file 2> /dev/null; sha256sum < /tmp/file; httpd -h /tmp", limit)
        check(got == wanted, f"{name} gets another file")
        addresses[name] = re.search(r"inet (10\.90\.0\.\d+)", shell.run("ip address show eth0"))[1]
    check(addresses["one"] != addresses["two"], f"both have the address {addresses['one']}")
    for name, address in addresses.items():
        bench.outer.run(f"ping -c 3 -i 0.2 {address} | grep ' 0% packet loss'", limit)
        got = bench.outer.run(f"wget -O /tmp/back http://{address}/file 2> /dev/null; sha256sum < /tmp/back; rm /tmp/back",
                              limit)
        check(got == wanted, f"another file comes from {name}")
    bench.outer.run("killall httpd; rm -r /tmp/www")


def a_console_carries_1_mib_both_ways(bench):
    """Without a lost byte."""
    limit = image.seconds_for(bench, 120)
    terminal = bench.outer.run("sed -n 's/.*virtio console is //p' /run/pintle/two.log").strip()
    # Without Ctrl-O: on a console Linux takes it and the byte behind it for SysRq.
    wanted = bench.outer.run("tr -d '\\017' < /dev/urandom | head -c 1048576 > /tmp/out; sha256sum < /tmp/out", limit)
    console = bench.consoles["two"]
    console.open()
    bench.machine.send(b"stty raw -echo; echo READY; head -c 1048576 > /tmp/in; stty -raw -echo\n")
    bench.machine.wait_for("READY", limit)
    console.close()
    # `head` takes more than it is asked for: what comes next waits until it has ended.
    text = bench.outer.run(f"exec 3<> {terminal}; cat /tmp/out >&3; read -r answer <&3; echo ${{answer%DONE*}}", limit)
    check(text == "=0=\n", f"the guest says {text.strip()!r}")
    bench.outer.run("head -c 1048576 <&3 > /tmp/back & echo 'stty raw -echo; cat /tmp/in; stty -raw -echo' >&3;"
                    " wait $!; exec 3>&-", limit)
    got = bench.outer.run("sha256sum < /tmp/back; rm /tmp/out /tmp/back", limit)
    with image.at_console(bench, "two") as shell:
        arrived = shell.run("sha256sum < /tmp/in", limit)
    check(arrived == wanted, "the guest received something else")
    check(got == wanted, "the service VM received something else")


def what_cannot_be_done_is_said(bench):
    """By `pintle`, which leaves nothing behind then."""
    before = image.counts(bench)
    image.refused(bench, "pintle start nobody", 1, "there is no guest nobody")
    image.refused(bench, "pintle start ../one", 1, "is no guest's name")
    image.refused(bench, "pintle start one", 1, "runs already")
    image.refused(bench, "pintle stop demo", 1, "demo does not run")
    image.refused(bench, "pintle console demo", 1, "demo does not run")
    image.refused(bench, "pintle fly", 2, "pintle list")
    for what, line, text in REFUSED:
        bench.outer.run(f"sed '/^disk/d;/^net/d' /etc/pintle/one.conf > /etc/pintle/bad.conf; echo '{line}' >> /etc/pintle/bad.conf")
        image.refused(bench, "pintle start bad", 1, text, "bad was not started")
        check(image.state(bench, "bad") == "stopped", f"with {what} it runs")
    bench.outer.run("rm /etc/pintle/bad.conf")
    check(image.counts(bench) == before, f"VMs and pieces were {before}, are {image.counts(bench)}")


def a_killed_vmm_harms_nobody(bench):
    """Its guest's file system is whole after a check; the other guest goes on; the same guest starts again."""
    limit = image.seconds_for(bench, 120)
    with image.at_console(bench, "one") as shell:
        shell.run("(while :; do dd if=/dev/zero of=/root/more bs=64k count=64 2> /dev/null; rm /root/more; done) & true")
    bench.outer.run("kill -9 $(cat /run/pintle/one.pid)")
    bench.outer.run("until [ -s /run/pintle/one.status ]; do usleep 100000; done")
    check(image.state(bench, "one") == "stopped", "the list says that it runs")
    check("by signal 9" in bench.outer.run("pintle info one"), "its end is not told")
    bench.outer.run("/sbin/e2fsck -p /var/lib/pintle/one.img; [ $? -le 1 ] && /sbin/e2fsck -fn /var/lib/pintle/one.img", limit)
    # Its number may be somebody else's by now.
    bench.outer.run("sleep 1000 & echo $! > /run/pintle/one.pid; echo $! > /tmp/sleep.pid")
    image.refused(bench, "pintle kill one", 1, "one does not run")
    bench.outer.run("kill $(cat /tmp/sleep.pid)")
    with image.at_console(bench, "two") as shell:
        shell.run("ping -c 2 10.90.0.1", limit)
    image.start_guest(bench, "one")
    with image.at_console(bench, "one") as shell:
        check(shell.run("sha256sum -c /root/sum", limit) == "/root/file: OK\n", "the file is another")


def all_is_back_when_they_are_off(bench):
    """One is told to, one switches itself off, one is ended in its boot."""
    bench.consoles["two"].open()
    bench.machine.send(b"poweroff\n")
    bench.machine.wait_for("two has ended", image.seconds_for(bench, 90))
    bench.outer.answer()
    bench.outer.run("pintle stop one", image.seconds_for(bench, 90))
    image.start_guest(bench, "demo")
    bench.outer.run("pintle kill demo")
    bench.outer.run("until [ -s /run/pintle/demo.status ]; do usleep 100000; done")
    check("somebody asked" in bench.outer.run("pintle info demo"), "its end is not told")
    check(image.counts(bench) == bench.before, f"VMs and pieces were {bench.before}, are {image.counts(bench)}")
    bench.outer.check_log()


def poweroff_stops_guests_first(bench):
    """And switches the machine off."""
    image.start_guest(bench, "demo")
    with image.at_console(bench, "demo") as shell:
        check(shell.run("cat /root/file") == "kept\n", "what was written is not there")
    bench.machine.send(b"poweroff\n")
    bench.machine.wait_for("demo is off", image.seconds_for(bench, 90))
    bench.machine.wait_until_off()


def add_machine(name, *, long=False, cost=60, **setup):
    """Add the group of tests for one machine."""
    first = the_iso_brings_up_the_service_vm_and_its_demo_guest
    add_group(name, [
        functools.update_wrapper(functools.partial(first, setup=setup), first),
        a_person_logs_in_to_it_and_uses_disk_and_network,
        it_stops_when_told,
        two_guests_run_at_once,
        files_outlive_a_reboot_of_each_guest,
        files_go_over_the_network_both_ways,
        a_console_carries_1_mib_both_ways,
        what_cannot_be_done_is_said,
        a_killed_vmm_harms_nobody,
        all_is_back_when_they_are_off,
        poweroff_stops_guests_first,
    ], long=long, cost=cost)


add_machine("main_qemu_bios", long=True, cost=400)
add_machine("main_qemu_uefi", firmware="uefi", long=True)
add_machine("main_bochs", emulator="bochs", cpus=1, memory=1024, long=True, cost=600)
add_machine("main_kvm", native=True, long=True)  # the kernel's own KVM, without Pintle


@test
def make_run_says_which_keys_do_what_and_heeds_them(bench):
    """At a terminal, behind the last time that GRUB clears the screen."""
    ours, theirs = pty.openpty()
    command = [sys.executable, ROOT / "tools" / "run.py", "--iso", bench.workshop.iso("", (), ())]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        try:
            text = read_until(ours, b"pintle> ")
            check(b"Ctrl-A X" in text[text.rindex(b"\x1b[H"):], f"the keys are not told: {text!r}")
            os.write(ours, b"\x01\x01version\r")  # the first two are one Ctrl-A
            read_until(ours, b"Pintle 0")
            os.write(ours, b"\x01x")
            status = process.wait(20)
            check(status == 0, f"its status is {status}")
        finally:
            process.terminate()
            for file in (ours, theirs):
                os.close(file)


def read_until(terminal, words):
    """What comes from a terminal up to these words."""
    text, limit = b"", time.monotonic() + 60
    while words not in text:
        ready, _, _ = select.select([terminal], [], [], max(limit - time.monotonic(), 0))
        check(ready, f"no {words!r} in {text!r}")
        text += os.read(terminal, 4096)
    return text


@test(cost=10)
def the_image_is_the_same_each_time(_):
    """Both of its files, byte by byte."""
    paths = image.make()
    with tempfile.TemporaryDirectory() as folder:
        for ours, again in zip(paths, mkimage.make_image(folder)):
            check(ours.read_bytes() == pathlib.Path(again).read_bytes(), f"{ours.name} differs")


@test(long=True, cost=60)
def guests_on_the_data_disk_outlive_the_machine(bench):
    """Disks and configurations."""
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data.img"
        emulator.make_data_disk(data)
        image.start(bench, data=data)
        check("/dev/sda on /var/lib/pintle" in bench.outer.run("mount"), "the disk is not used")
        with image.at_console(bench, "demo") as shell:
            shell.run("echo kept > /root/file; sync")
        bench.outer.run("sed -i s/autostart.*/autostart=no/ /etc/pintle/demo.conf")
        bench.machine.send(b"poweroff\n")
        bench.machine.wait_until_off()
        image.start(bench, data=data)
        check(image.state(bench, "demo") == "stopped", "the configuration is that of the image")
        image.start_guest(bench, "demo")
        with image.at_console(bench, "demo") as shell:
            check(shell.run("cat /root/file") == "kept\n", "what was written is not there")
