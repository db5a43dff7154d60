# SPDX-License-Identifier: GPL-2.0-only
"""Time in the service VM, by KVM's clock."""

import time

from harness import check, test
from service import start

CLOCK = "/sys/devices/system/clocksource/clocksource0/"


def keeps_time(bench, cpus):
    """On the paravirtual clock, as fast as here, and with today's date on every CPU."""
    guest = start(bench, cpus=cpus, memory=512)
    used = guest.run(f"cat {CLOCK}current_clocksource").strip()
    check(used == "kvm-clock", f"Linux uses {used}")
    before = time.time()
    date = int(guest.run("date +%s"))
    check(before - 5 < date < time.time() + 2, f"the date is {before - date:.1f} s behind ours")

    def look(cpu):
        """Our time and Linux's; the best of some, since an answer may be late."""
        tries = []
        for _ in range(5):
            before = time.monotonic()
            up = float(guest.run(f"taskset {1 << cpu} cat /proc/uptime").split()[0])
            after = time.monotonic()
            tries.append((after - before, after, up))  # what takes time is the typing
        return min(tries)[1:]

    first = last = look(0)
    while last[0] < first[0] + 12:
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


@test(cost=10)
def linux_has_kvm_clock_by_vtx(bench):
    """In Bochs: it goes as the real-time clock does, once it is chosen."""
    guest = start(bench, emulator="bochs", cpus=1, memory=512)
    guest.run(f"echo kvm-clock > {CLOCK}current_clocksource")
    clocks = "read up _ < /proc/uptime; cat /sys/class/rtc/rtc0/since_epoch; echo ${up%.*}"
    rtc, up = map(int, guest.run(clocks).split())
    rtc_last, up_last = rtc, up
    while rtc_last < rtc + 4:
        rtc_last, up_last = map(int, guest.run(clocks).split())
    check(abs(rtc_last - rtc - (up_last - up)) <= 1,
          f"{up_last - up} s by kvm-clock are {rtc_last - rtc} s by the RTC")
