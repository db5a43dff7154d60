# SPDX-License-Identifier: GPL-2.0-only
"""pintle-vmm on stock KVM: Debian's kernel with kvm_amd in QEMU, guests nested in it."""

import re

import vmm
from harness import add_group, check

LEAK_KIB = 16 * 1024  # noise of the outer Linux; a guest has much more

# Each: options, and what the sentence names.
REFUSED = [
    ("", "--kernel"),
    ("--kernel /no/such", "/no/such"),
    ("--kernel /init", "/init is no kernel"),
    ("--kernel /files/vmlinuz --initrd /nowhere", "/nowhere"),
    ("--kernel /files/vmlinuz --mem 32", "--mem"),
    ("--kernel /files/vmlinuz --cpus 0", "--cpus"),
    ("--kernel /files/vmlinuz --colour red", "--colour"),
    ("--kernel /files/vmlinuz --cmdline", "--cmdline"),
    ("--kernel /files/vmlinuz --kvm /dev/null", "/dev/null"),
    ("--kernel /files/vmlinuz --kvm /dev/nothing", "/dev/nothing"),
    ("--kernel /files/vmlinuz --disk /no/disk", "/no/disk"),
    ("--kernel /files/vmlinuz --serial /no/folder/file", "/no/folder/file"),
    ("--config /no/config", "/no/config"),
]


def linux_with_kvm_starts(bench):
    """The first step: it starts the machine."""
    kernel, _ = vmm.linux.files("guest")
    vmm.start(bench, (("files/vmlinux", str(vmm.pvh_kernel(kernel))),
                      ("files/multiboot", str(vmm.multiboot_kernel()))))


def refused_configurations_are_answered_by_a_sentence(bench):
    """And status 1."""
    for options, text in REFUSED:
        vmm.refused(bench, options, text)
    return f"{len(REFUSED)} cases"


def a_guest_with_two_cpus_reaches_its_shell(bench):
    """With a disk and random numbers, from a configuration file."""
    bench.outer.run("truncate -s 64M /tmp/disk")
    bench.outer.run("tunctl -t tap0 > /dev/null && ip address add 10.0.0.1/24 dev tap0"
                    " && ip link set tap0 up")
    bench.outer.run("mkdir /tmp/www && dd if=/dev/urandom of=/tmp/www/down bs=1M count=16 2> /dev/null"
                    " && httpd -h /tmp/www && mkfifo /tmp/open"
                    " && { nc -l -p 99 < /tmp/open > /tmp/up & exec 9<> /tmp/open; }")
    bench.outer.run("printf 'kernel = /files/vmlinuz\\ninitrd = /files/initrd\\n"
                    "cmdline = console=ttyS0 quiet\\ncpus = 2\\nmem = 256\\n"
                    "disk = /tmp/disk\\nrng = yes\\nnet = tap=tap0\\n' > /tmp/guest.conf")
    guest = vmm.run_guest(bench, "--config /tmp/guest.conf", guest="")
    check(guest.cpus == 2, f"{guest.cpus} CPUs are online")
    check(200 * 1024 < guest.memory < 256 * 1024, f"{guest.memory} KiB of memory")


def its_devices_interrupt_by_msix(bench):
    """One vector for each queue."""
    bench.guest.run("dd if=/dev/hwrng of=/tmp/random bs=64 count=4 2> /dev/null")
    check(bench.guest.interrupts(r"PCI-MSI.*virtio\d+-input") > 0, "no interrupt of virtio-rng")
    different = bench.guest.run("od -An -v -tx1 /tmp/random | tr ' ' '\\n' | sort -u | wc -l")
    check(int(different) > 100, f"{different.strip()} different bytes of 256: is that random?")


def it_pings_and_transfers_16_mib_over_a_tap(bench):
    """A file from the outer Linux and back again is unchanged."""
    guest = bench.guest
    guest.run("ip address add 10.0.0.2/24 dev eth0 && ip link set eth0 up")
    guest.run("ping -c 3 -i 0.2 10.0.0.1 | grep ' 0% packet loss'", 60)
    guest.run("wget -q -O /tmp/down http://10.0.0.1/down", 120)
    bench.sum = guest.run("sha256sum < /tmp/down")
    guest.run("nc 10.0.0.1 99 < /tmp/down; rm /tmp/down", 120)
    check(guest.interrupts(r"PCI-MSI.*virtio\d+-input\.0") > 0, "no interrupt of virtio-net")


def a_file_outlives_a_reboot_of_the_guest(bench):
    """Written to the disk before, read after."""
    guest = bench.guest
    guest.run("mke2fs /dev/vda > /dev/null && mount -t ext4 /dev/vda /mnt", 60)
    written = guest.run("dd if=/dev/urandom of=/mnt/file bs=1M count=16 2> /dev/null;"
                        " sha256sum < /mnt/file; umount /mnt", 60)
    bench.machine.send(b"reboot -f\n")
    bench.machine.wait_for("pintle-vmm: the guest restarts", 60)
    bench.guest = guest = vmm.linux.Linux(bench.machine, vmm.UP_SECONDS)
    check(guest.cpus == 2, f"{guest.cpus} CPUs are online after the reboot")
    read = guest.run("mount -t ext4 /dev/vda /mnt && sha256sum < /mnt/file; umount /mnt", 60)
    check(read == written and len(read) > 60, f"wrote {written!r}, read {read!r}")
    check(bench.guest.interrupts(r"PCI-MSI.*virtio\d+-req") > 0, "no interrupt of virtio-blk")


def its_root_can_be_on_the_disk(bench):
    """The initial file system hands over to what is on /dev/vda."""
    guest = bench.guest
    guest.run("mount -t ext4 /dev/vda /mnt && cd /mnt && mkdir bin dev proc sys tmp mnt modules"
              " && cp /bin/busybox bin && cp /init . && : > modules/order && cd /", 60)
    bench.machine.send(b"exec switch_root /mnt /init\n")
    bench.guest = guest = vmm.linux.Linux(bench.machine, vmm.UP_SECONDS)
    mounts = guest.run("grep ' / ' /proc/mounts")
    check("/dev/vda / ext4" in mounts, f"the root is {mounts!r}")
    check(len(guest.run("sha256sum < /file")) > 60, "the file has gone")
    guest.run("sync")


def its_cpus_go_and_come_back(bench):
    """INIT and SIPI, by Linux' hot-unplug."""
    for _ in range(3):
        bench.guest.run("echo 0 > /sys/devices/system/cpu/cpu1/online")
        bench.guest.run("echo 1 > /sys/devices/system/cpu/cpu1/online")
    check(int(bench.guest.run("nproc")) == 2, "CPU 1 does not come back")


def its_log_is_clean(bench):
    """But for what QEMU does wrong: KVM does not see XSETBV there (emulators: XSETBV)."""
    text = bench.guest.run("dmesg | grep -E 'WARNING|BUG:|Oops|soft lockup|stall|nobody cared"
                           "|ACPI.*(Error|Warning)|Firmware Bug|virtio.*(error|fail)'"
                           " | grep -vE 'RETBleed|Spectre|Speculative|fpu__init_system_xstate'"
                           " || true")
    check(not text.strip(), f"dmesg says: {text.strip()[:400]!r}")


def poweroff_in_the_guest_ends_pintle_vmm(bench):
    """With status 0. What came over the network is then compared."""
    vmm.power_off(bench)
    for name in ("/tmp/www/down", "/tmp/up"):
        check(bench.outer.run(f"sha256sum < {name}") == bench.sum, f"{name} is another file")


def a_pvh_kernel_starts(bench):
    """Debian's, unpacked; without MSI, so that interrupts come by a pin."""
    vmm.run_guest(bench, "--rng --mem 256", "--kernel /files/vmlinux --initrd /files/initrd"
                  " --cmdline 'console=ttyS0 quiet pci=nomsi'")
    bench.guest.run("dd if=/dev/hwrng of=/tmp/random bs=64 count=4 2> /dev/null")
    count = bench.guest.interrupts(r"IO-APIC.*fasteoi.*virtio")
    check(count > 0, "no interrupt of virtio-rng")
    vmm.power_off(bench)
    return f"{count} interrupts by the pin"


def a_multiboot_kernel_is_told_its_command_line(bench):
    """And its module."""
    bench.outer.run("echo -n module text > /tmp/module")
    vmm.send_run(bench, "--kernel /files/multiboot --initrd /tmp/module --cmdline 'a b=c'")
    text = vmm.ended(bench, 0, "the guest switches itself off")
    check("MULTIBOOT-UP a b=c modules=1module text" in text, f"it said {text.strip()!r}")


def a_triple_fault_restarts_the_guest(bench):
    """Which --no-reboot makes its end."""
    vmm.run_guest(bench, "--mem 256 --no-reboot", vmm.GUEST.replace("quiet", "quiet reboot=t"))
    bench.machine.send(b"reboot -f\n")
    vmm.ended(bench, 0, "shut down (a triple fault)")


def two_guests_run_at_once_and_heed_their_power_button(bench):
    """SIGTERM presses it; a guest that hears it switches itself off."""
    terminals = [vmm.background(bench, name, f"{vmm.GUEST} --mem 200 --cpus {cpus} --rng")
                 for name, cpus in (("one", 1), ("two", 2))]
    for name, cpus in (("one", 1), ("two", 2)):
        vmm.wait_in_outer(bench, f"grep 'SERVICE-VM-UP cpus={cpus}' /tmp/{name}.out")
    for name, terminal in zip(("one", "two"), terminals):
        bench.outer.run("echo 'exec 3< /dev/input/event0; echo READY; dd bs=24 count=1 <&3 > /dev/null;"
                        f" echo PRESSED; poweroff -f' > {terminal}")
        vmm.wait_in_outer(bench, f"grep READY /tmp/{name}.out")
        bench.outer.run(f"kill -TERM $(cat /tmp/{name}.pid)")
        vmm.wait_in_outer(bench, f"grep PRESSED /tmp/{name}.out")
        vmm.wait_in_outer(bench, f"grep 'switches itself off' /tmp/{name}.log")
        check("power button is pressed" in bench.outer.run(f"cat /tmp/{name}.log"), "it is silent")


def a_virtio_console_carries_1_mib_both_ways(bench):
    """Through a pseudo-terminal, without a lost byte."""
    terminal = vmm.background(bench, "con", f"{vmm.GUEST} --mem 256 --console pty")
    console = vmm.wait_in_outer(bench, "sed -n 's/.*virtio console is //p' /tmp/con.log").strip()
    vmm.wait_in_outer(bench, "grep SERVICE-VM-UP /tmp/con.out")
    sums = []
    bench.outer.run("dd if=/dev/urandom of=/tmp/con.in bs=64k count=16 2> /dev/null")
    sums.append(bench.outer.run("sha256sum < /tmp/con.in").split()[0])
    bench.outer.run("echo 'exec 3<> /dev/hvc0; stty raw -echo <&3; echo READY;"
                    f" head -c 1048576 <&3 | sha256sum' > {terminal}")
    vmm.wait_in_outer(bench, "grep READY /tmp/con.out")
    bench.outer.run(f"cat /tmp/con.in > {console}", 120)
    got = vmm.wait_in_outer(bench, "grep -oE '^[0-9a-f]{64}' /tmp/con.out").split()
    check(got == sums, "the guest received something else")
    # What is sent while nobody has the terminal open is lost: a byte that comes shows that we have.
    bench.outer.run(f"exec 5<> {console}; head -c 1048576 <&5 > /tmp/con.up & echo $! > /tmp/head.pid")
    bench.outer.run("echo 'head -c 1048576 /dev/urandom > /tmp/up; sha256sum < /tmp/up;"
                    f" head -c 1 <&3 > /dev/null; cat /tmp/up >&3; echo SENT' > {terminal}")
    bench.outer.run("echo -n x >&5; exec 5>&-")
    vmm.wait_in_outer(bench, "grep SENT /tmp/con.out")
    vmm.wait_in_outer(bench, "[ -d /proc/$(cat /tmp/head.pid) ] || echo gone")
    sent = bench.outer.run("grep -oE '^[0-9a-f]{64}' /tmp/con.out").split()[-1]
    check(bench.outer.run("sha256sum < /tmp/con.up").split()[0] == sent,
          "the outer Linux received something else")
    bench.outer.run("kill -INT $(cat /tmp/con.pid)")
    vmm.wait_in_outer(bench, "grep stopped /tmp/con.log")


def a_guest_that_does_not_listen_is_ended_by_the_second_signal(bench):
    """Of SIGTERM, not of SIGPWR. Each time pintle-vmm says what it does."""
    bench.outer.run("pintle-vmm run --kernel /files/vmlinuz --mem 128 --cmdline 'console=ttyS0 acpi=off'"
                    " --serial /tmp/deaf.out > /tmp/deaf.log 2>&1 & echo $! > /tmp/deaf.pid")
    vmm.wait_in_outer(bench, "grep -o 'Linux version' /tmp/deaf.out")
    for asked, signal in enumerate(("PWR", "PWR", "TERM"), 1):
        bench.outer.run(f"kill -{signal} $(cat /tmp/deaf.pid)")
        vmm.wait_in_outer(bench, f"[ $(grep -c 'does not listen' /tmp/deaf.log) = {asked} ] && echo heard")
    check("stopped" not in bench.outer.run("cat /tmp/deaf.log"), "it ends too soon")
    bench.outer.run("kill -TERM $(cat /tmp/deaf.pid)")
    vmm.wait_in_outer(bench, "grep 'stopped' /tmp/deaf.log")


def a_killed_vmm_leaves_nothing_behind(bench):
    """kill -9 in the middle of work; all memory comes back and the next guest starts."""
    bench.outer.run("rm -f /tmp/disk; truncate -s 64M /tmp/disk")
    free = vmm.free_kib(bench)
    vmm.background(bench, "killed", f"{vmm.GUEST} --mem 400 --cpus 2 --rng --disk /tmp/disk")
    vmm.wait_in_outer(bench, "grep SERVICE-VM-UP /tmp/killed.out")
    bench.outer.run("kill -9 $(cat /tmp/killed.pid)")
    vmm.wait_in_outer(bench, "[ -d /proc/$(cat /tmp/killed.pid) ] || echo gone")
    bench.outer.run("rm -f /tmp/disk")
    missing = free - vmm.free_kib(bench)
    check(missing < LEAK_KIB, f"{missing} KiB are missing afterwards")
    vmm.run_guest(bench, "--mem 256 --cpus 2")
    vmm.power_off(bench)
    text = bench.outer.run("dmesg | grep -E 'WARNING|BUG|Oops|Call Trace' || true")
    check(not text.strip(), f"the outer Linux says: {text.strip()[:300]!r}")
    return f"{missing} KiB fewer than before"


def ctrl_c_stops_at_once(bench):
    """And leaves the terminal as it was."""
    before = bench.outer.run("stty -a -F /dev/ttyS0 2> /dev/null | grep -o '[-]*icanon'")
    # A session of its own, which the terminal then controls.
    bench.machine.send(f"setsid -c pintle-vmm run {vmm.GUEST} --mem 256"
                       " < /dev/ttyS0 > /dev/ttyS0 2>&1\n".encode())
    vmm.linux.Linux(bench.machine, vmm.UP_SECONDS)
    bench.machine.send(b"\x03")
    vmm.ended(bench, 0, "stopped")
    after = bench.outer.run("stty -a -F /dev/ttyS0 2> /dev/null | grep -o '[-]*icanon'")
    check(re.match("icanon", before) and before == after, f"icanon was {before!r}, is {after!r}")


add_group("vmm", [
    linux_with_kvm_starts,
    refused_configurations_are_answered_by_a_sentence,
    a_guest_with_two_cpus_reaches_its_shell,
    its_devices_interrupt_by_msix,
    it_pings_and_transfers_16_mib_over_a_tap,
    a_file_outlives_a_reboot_of_the_guest,
    its_root_can_be_on_the_disk,
    its_cpus_go_and_come_back,
    its_log_is_clean,
    poweroff_in_the_guest_ends_pintle_vmm,
    a_pvh_kernel_starts,
    a_multiboot_kernel_is_told_its_command_line,
    ctrl_c_stops_at_once,
    a_triple_fault_restarts_the_guest,
    two_guests_run_at_once_and_heed_their_power_button,
    a_virtio_console_carries_1_mib_both_ways,
    a_guest_that_does_not_listen_is_ended_by_the_second_signal,
], cost=60)

# Alone, as what the steps above leave in caches would count.
add_group("vmm_killed", [
    linux_with_kvm_starts,
    a_killed_vmm_leaves_nothing_behind,
], long=True, cost=30)


# Kernels that nobody prepared. ------------------------------------------------------------------

def other_kernels():
    """As files of an initial file system."""
    memtest, = vmm.linux.package_files("memtest86+", "boot/memtest86+x64.bin")
    mach, = vmm.linux.package_files("gnumach-image-1.8-486", "boot/gnumach-*.gz")
    xen, = vmm.linux.package_files("xen-hypervisor-4.17-amd64", "boot/xen-4.17-amd64.gz")
    kernel, initrd = vmm.linux.files("generic")
    return (("files/memtest", str(memtest)), ("files/mach", str(vmm.unzipped(mach))),
            ("files/xen", str(vmm.unzipped(xen))), ("files/generic", str(kernel)),
            ("files/generic.initrd", str(initrd)))


def linux_with_kvm_starts_with_other_kernels(bench):
    """The first step: it starts the machine."""
    vmm.start(bench, other_kernels(), memory=2048)


def memtest_tests_memory(bench):
    """A bzImage that is no Linux; it measures time with the PIT and the PM timer."""
    vmm.first_screen(bench, "memtest", "--kernel /files/memtest --mem 128"
                     " --cmdline console=ttyS0,115200", "Testing: .{1,40}")


def gnu_mach_starts(bench):
    """By Multiboot; without a bootstrap module it says that it has none."""
    vmm.first_screen(bench, "mach", "--kernel /files/mach --mem 128 --cmdline console=com0",
                     "No bootstrap code loaded")


def xen_starts_its_dom0(bench):
    """By Multiboot; Xen wants the PIT's interrupt. Its dom0 is Debian's generic kernel."""
    vmm.first_screen(bench, "xen", "--kernel /files/xen --initrd /files/generic --mem 768"
                     " --cmdline 'com1=115200,8n1 console=com1'", "Freed [0-9]+kB init memory")


def debian_s_generic_kernel_starts(bench):
    """With the initial file system of the service VM."""
    vmm.run_guest(bench, "--mem 512 --cpus 2 --rng", "--kernel /files/generic"
                  " --initrd /files/generic.initrd --cmdline 'console=ttyS0 quiet'", 300)
    vmm.power_off(bench)


add_group("vmm_kernels", [
    linux_with_kvm_starts_with_other_kernels,
    memtest_tests_memory,
    gnu_mach_starts,
    xen_starts_its_dom0,
    debian_s_generic_kernel_starts,
], long=True, cost=50)


def installers():
    """Both of Debian's, as files of an initial file system."""
    for kind in ("amd64", "i386"):
        folder = f"usr/lib/debian-installer/images/12/{kind}/text/debian-installer/{kind}/"
        kernel, initrd = vmm.linux.package_files(f"debian-installer-12-netboot-{kind}", folder + "linux",
                                                 folder + "initrd.gz")
        yield f"files/{kind}", str(kernel)
        yield f"files/{kind}.gz", str(initrd)


def linux_with_kvm_starts_with_installers(bench):
    """The first step: it starts the machine."""
    vmm.start(bench, tuple(installers()), memory=2048)


def asks_for_a_language(bench, kind, mebibytes):
    """Start the installer of this kind until it does."""
    vmm.first_screen(bench, kind, f"--kernel /files/{kind} --initrd /files/{kind}.gz --mem {mebibytes}"
                     " --cmdline 'console=ttyS0 ---'", "Select a language", 300)


def the_installer_asks_for_a_language(bench):
    """Debian's for networks, as it is; with 512 MiB it speaks of little memory first."""
    asks_for_a_language(bench, "amd64", 1024)


def the_32_bit_installer_asks_for_a_language(bench):
    """A 32-bit bzImage, entered in 32-bit mode."""
    asks_for_a_language(bench, "i386", 512)


add_group("vmm_installer", [
    linux_with_kvm_starts_with_installers,
    the_installer_asks_for_a_language,
    the_32_bit_installer_asks_for_a_language,
], long=True, cost=60)


# A network without privileges. -------------------------------------------------------------------

def linux_with_kvm_starts_with_passt(bench):
    """The first step: it starts the machine."""
    vmm.start(bench, vmm.PASST, memory=2048)
    passt_shows_a_file(bench)


def passt_shows_a_file(bench):
    """Of a web server in the outer Linux."""
    bench.socket = vmm.start_passt(bench)
    bench.outer.run("mkdir /tmp/www && dd if=/dev/urandom of=/tmp/www/file bs=1M count=16 2> /dev/null"
                    " && httpd -h /tmp/www", 60)
    bench.sum = bench.outer.run("sha256sum < /tmp/www/file")


def a_guest_fetches_16_mib_over_passt(bench):
    """From the outer Linux, which passt shows to it as its gateway."""
    guest = vmm.run_guest(bench, f"--mem 256 --net passt={bench.socket}")
    guest.run("ip address add 10.5.0.2/24 dev eth0 && ip link set eth0 up"
              " && ip route add default via 10.5.0.1")
    got = guest.run("wget -q -O /tmp/file http://10.5.0.1/file; sha256sum < /tmp/file", 180)
    check(got == bench.sum, f"the file's sum is {got!r} instead of {bench.sum!r}")
    vmm.power_off(bench)


add_group("vmm_passt", [
    linux_with_kvm_starts_with_passt,
    a_guest_fetches_16_mib_over_passt,
], long=True, cost=40)


# KVM on VT-x. -----------------------------------------------------------------------------------

BOCHS_SECONDS = 900


def linux_with_kvm_starts_in_bochs(bench):
    """With kvm_intel. The first step: it starts the machine."""
    vmm.start(bench, emulator="bochs", cpus=1, memory=1024, arguments=vmm.linux.FAST)
    check("kvm_intel" in bench.outer.run("cat /proc/modules"), "no kvm_intel")


def a_guest_reaches_its_shell_by_vt_x(bench):
    """With random numbers, whose interrupt comes."""
    bench.outer.run("truncate -s 64M /tmp/disk", 300)
    vmm.run_guest(bench, "--mem 256 --rng --disk /tmp/disk", vmm.GUEST.replace(
        "quiet", f"quiet {vmm.linux.FAST}"), BOCHS_SECONDS)
    bench.guest.run("dd if=/dev/hwrng of=/tmp/random bs=64 count=4 2> /dev/null", 300)
    check(bench.guest.interrupts(r"PCI-MSI.*virtio\d+-input") > 0, "no interrupt of virtio-rng")


def it_switches_itself_off_by_vt_x(bench):
    """And pintle-vmm ends with it."""
    bench.machine.send(b"poweroff -f\n")
    vmm.ended(bench, 0, "the guest switches itself off", 300)


add_group("vmm_bochs", [
    linux_with_kvm_starts_in_bochs,
    a_guest_reaches_its_shell_by_vt_x,
    it_switches_itself_off_by_vt_x,
], long=True, cost=300)
