# SPDX-License-Identifier: GPL-2.0-only
"""What the firmware left reaches the service VM: its tables, its screen, UEFI's services."""

import linux
from harness import add_group, check, test
from service import start, to_monitor, up_seconds

GUESTS = {}  # the Linux of each bench, for the steps of a group; each bench is one thread's


@test(cost=6)
def linux_goes_on_with_the_bios_text_screen(bench):
    """A VGA console of 80 columns, as without Pintle."""
    start(bench, cpus=1, memory=512).run("dmesg | grep 'Console: colour VGA+ 80x25'")


def linux_finds_uefi_and_its_services(bench):
    """Linux moves them to addresses of its own; and the firmware's text about the machine."""
    guest = GUESTS[bench] = start(bench, arguments="reboot=efi", cpus=2, memory=1024,
                                  firmware="uefi")
    for wanted in ("efi: EFI v2", "DMI: QEMU", "(v02 PINTLE)", "Registered efivars operations"):
        guest.run(f"dmesg | grep -F '{wanted}'")
    guest.run("ls /sys/firmware/efi/runtime-map/0")
    guest.check_log()


def linux_has_the_frame_buffer(bench):
    """In the mode that GRUB chose, and it can be written."""
    guest = GUESTS[bench]
    check("EFI VGA" in guest.run("cat /proc/fb"), "no frame buffer")
    check("Truecolor" in guest.run("dmesg | grep efifb:"), "colours that are none")
    guest.run("head -c 100000 /dev/urandom > /dev/fb0")


def a_service_of_uefi_restarts_the_machine(bench):
    """As reboot=efi asks for: code of the firmware that runs in the service VM."""
    bench.machine.send(b"reboot -f\n")
    GUESTS[bench] = linux.Linux(bench.machine, up_seconds(bench.machine))
    GUESTS[bench].run("ls /sys/firmware/efi/runtime-map/0")


def a_restarted_service_vm_does_without_the_services(bench):
    """They are where the first kernel has moved them."""
    to_monitor(bench.machine)
    bench.machine.send_line("restart")
    guest = GUESTS[bench] = linux.Linux(bench.machine, up_seconds(bench.machine))
    guest.run("[ ! -e /sys/firmware/efi ]")
    check("EFI VGA" in guest.run("cat /proc/fb"), "no frame buffer")
    guest.check_log()


def linux_switches_the_uefi_machine_off(bench):
    """By ACPI."""
    bench.machine.send(b"poweroff -f\n")
    bench.machine.wait_until_off()


add_group("linux_on_uefi", [
    linux_finds_uefi_and_its_services,
    linux_has_the_frame_buffer,
    a_service_of_uefi_restarts_the_machine,
    a_restarted_service_vm_does_without_the_services,
    linux_switches_the_uefi_machine_off,
], cost=15)
