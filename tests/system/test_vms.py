# SPDX-License-Identifier: GPL-2.0-only
"""Several VMs on few CPUs: what the scheduler promises them, on the guests of tests/vms.

Over-commitment is 8:1 throughout: eight vCPUs that never sleep on each CPU, and others besides.
"""

import re

import test_module
import vms
from harness import ROOT, add_group, check
from vms import Guest

# Virtual time is instructions, 8 ns each: what the host does beside it does not show. All CPUs take
# turns of up to 100 ms, so that shares are right, but only a single one shows when something happens.
# And an interrupt comes twice now and then, which these guests stand.
COUNTED = ("-icount", "shift=3,sleep=off")
# Each switch between VMs would fill the log of Bochs with what it remarks on.
SILENT = ("info: action=ignore", "error: action=ignore")

QUIET = {"qemu": COUNTED, "bochs": SILENT}

# Milliseconds: slices of the latency classes (kernel/sched.c).
PROMPT_MS, NORMAL_MS = 0.5, 3

PAUSE_US = 10000  # that a paused vCPU may go on, whose turn has to come


def span_seconds(bench):
    """How long a share is measured, in seconds of the guest; Bochs needs many of ours for one.

    The CPUs of a machine in QEMU take turns of ours, or of -icount's.
    """
    setup = bench.machine.setup
    if setup.emulator == "qemu":
        return 10 * setup.cpus
    return 10 if bench.long else 3


def tolerance(span):
    """Two percent over ten seconds. What a vCPU is off by does not grow with time."""
    return 0.02 * max(1, 1e7 / span.length)


def is_exact(bench):
    """Does the emulator show when something happens, not only how often?"""
    setup = bench.machine.setup
    return setup.emulator == "bochs" or (setup.cpus == 1 and COUNTED[0] in setup.extra)


def turns(bench):
    """How much coarser a single vCPU's share may be, where decisions wait until the host runs the CPU."""
    return 1 if is_exact(bench) else max(2, bench.machine.setup.cpus - 1)


def check_shares(bench, span, expected, coarser=1):
    """Each of these vCPUs has its part of the CPUs by weight, within 2 % over 10 s. Where CPUs take
    turns of the host's, so has each VM, and its vCPUs nearly. expected: their weights.
    """
    limit = coarser * tolerance(span)
    ran = {key: span.ran[key] for key in expected}
    whole = vms.check_shares(vms.by_vm(ran), vms.by_vm(expected), limit)
    error = vms.check_shares(ran, expected, limit * turns(bench))
    return (f"{100 * error:+.2f} % at worst, a VM {100 * whole:+.2f} %,"
            f" over {span.length / 1e6:.1f} s")


def crowd(cpus):
    """Eight vCPUs that never sleep for each CPU, of three weights; and VMs of other kinds."""
    return [Guest("spin", "light", cpus=4 * cpus),
            Guest("spin", "middle", cpus=2 * cpus, weight=150),
            Guest("spin", "heavy", cpus=2 * cpus, weight=200),
            Guest("spin", "capped", cap=10, weight=1000),
            Guest("sleep", "sleeper", latency="prompt"), Guest("pingpong", "pingpong", cpus=2),
            Guest("reserve", "reserved", budget=1000, period=10000)]


def start(bench, guests, **setup):
    """Switch a machine on with these guests alone, and wait until all have spoken."""
    setup["extra"] = (*setup.get("extra", ()), *QUIET[setup["emulator"]])
    # Shares are measured in time: each CPU has to run. Only switches restore FPU state here, so that
    # QEMU's fault (Emulator._one_core) is unlikely, though not impossible.
    machine = bench.start(modules=vms.modules(guests, ROOT / "build" / "vms"), memory=256, vms=False,
                          **setup)
    machine.wait_for("service VM: [1-9]", machine.boot_seconds())
    bench.guests = guests
    for guest in guests:
        if not vms.speech(machine.screen.text, guest.name):
            vms.wait_for_speech(machine, guest.name)


def weights(bench, *names):
    """The weight of each vCPU of these guests."""
    return {(number, index): guest.weight for number, guest in enumerate(bench.guests, 1)
            for index in range(guest.cpus) if guest.name in names}


def number_of(bench, name):
    """The number of a VM."""
    return 1 + [guest.name for guest in bench.guests].index(name)


STALL_SECONDS = 0.1  # SCHED_LAG_MAX: what a vCPU had at once beyond that is not charged
SPINNERS = "light", "middle", "heavy"


def measure_shares(bench, others=(), clock="light"):
    """check_shares() over a span, of each vCPU that never sleeps and these others. `clock` speaks each second."""
    machine = bench.machine
    for _ in range(5):
        begin = len(machine.screen.text)
        with vms.Stalls() as stalls:
            bench.span = vms.span(machine, span_seconds(bench), clock)
        if stalls.longest < STALL_SECONDS:
            break
    bench.said = machine.screen.text[begin:]
    return check_shares(bench, bench.span, {**weights(bench, *SPINNERS), **dict(others)})


def each_vcpu_has_its_share(bench):
    """Where guests run alone."""
    return measure_shares(bench)


def a_capped_vm_is_at_its_cap_within_a_percent(bench):
    """Of a CPU; its weight would give it far more."""
    part = 100 * bench.span.ran[number_of(bench, "capped"), 0] / bench.span.length
    check(9 <= part <= 11, f"{part:.2f} % of a CPU, its cap is 10 %")
    return f"{part:.2f} % of a CPU"


def a_reservation_meets_every_deadline(bench):
    """0.8 ms of work in each 10 ms, of which 1 ms is reserved."""
    said = [vms.numbers(line) for line in vms.speech(bench.said, "reserved")]
    check(len(said) >= 2, "the reserved guest does not speak")
    missed = said[-1][1] - said[0][1]
    check(missed == 0, f"{missed} deadlines of {said[-1][0] - said[0][0]} were missed")
    done = max(line[3] for line in said[1:])
    return f"{said[-1][0] - said[0][0]} periods, done by {done} us of each"


def a_prompt_sleeper_wakes_within_the_bound(bench):
    """sched.h: slice * (sum of weights) / weight + the longest slice."""
    load = sum(guest.weight * guest.cpus for guest in bench.guests if guest.name != "capped")
    bound = 1000 * (PROMPT_MS * (load + 1000) / 100 + NORMAL_MS)
    said = [vms.numbers(line) for line in vms.speech(bench.said, "sleeper")]
    check(said, "the sleeper does not speak")
    median, late, worst = (max(line[i] for line in said) for i in (1, 2, 3))
    check(worst <= bound, f"a wake-up was {worst} us late, the bound is {bound:.0f}")
    return f"late by us: median {median}, 99th {late}, worst {worst}, bound {bound:.0f}"


def nobody_finds_a_wrong_register_or_interrupt(bench):
    """After all the switches and moves. QEMU's counting delivers some interrupts twice."""
    text = bench.machine.screen.text
    for guest in bench.guests:
        for line in vms.speech(text, guest.name):
            check("FAULT" not in line, f"{guest.name}: {line}")
            if guest.program == "spin":
                check(vms.numbers(line)[-1] == 0, f"{guest.name}: {line}")
            check("WRONG" not in line or bench.machine.setup.emulator == "qemu",
                  f"{guest.name}: {line}")
    said = [vms.numbers(line)[0] for line in vms.speech(text, "pingpong") if "rounds, the" in line]
    check(said[-1] > said[0], "no ball is played any more")


def vcpus_move_between_the_cpus(bench):
    """Eight on each CPU, of weights that do not come out even."""
    check(bench.span.moves > 0, "nobody has moved")
    return f"{bench.span.moves} moves"


def a_new_weight_counts_at_once(bench):
    """Of all vCPUs of a VM: now the lightest of all, then back."""
    machine, number = bench.machine, number_of(bench, "heavy")
    expected = weights(bench, *SPINNERS)
    vms.ask(machine, f"sched set {number} weight 50")
    changed = {key: 50 if key[0] == number else weight for key, weight in expected.items()}
    span = vms.span(machine, span_seconds(bench) / 2, "light")
    vms.ask(machine, f"sched set {number} weight 200")
    return check_shares(bench, span, changed, 2)


def a_new_cap_counts_at_once(bench):
    """And so does taking it away: the VM has the largest weight."""
    machine, number = bench.machine, number_of(bench, "capped")
    seconds = 2 if is_exact(bench) else 5  # the first of its periods may have been spent before
    vms.ask(machine, f"sched set {number} cap 5")
    low = vms.span(machine, seconds, "light")
    vms.ask(machine, f"sched set {number} cap 0")
    high = vms.span(machine, seconds, "light")
    vms.ask(machine, f"sched set {number} cap 10")
    parts = [100 * span.ran[number, 0] / span.length for span in (low, high)]
    check(4 <= parts[0] <= 6, f"with a cap of 5 % it has {parts[0]:.2f} %")
    check(parts[1] > 20, f"without a cap it has {parts[1]:.2f} %")
    return f"{parts[0]:.2f} % with a cap of 5, {parts[1]:.1f} % without"


def a_new_affinity_counts_at_once(bench):
    """All vCPUs of the VM are on the last CPU, and stay there."""
    machine, number = bench.machine, number_of(bench, "middle")
    last = machine.setup.cpus - 1
    vms.ask(machine, f"sched set {number} affinity {last}")
    for _ in range(2):
        vms.wait_for_speech(machine, "light")
        cpus = {vcpu.cpu for (vm, _), vcpu in vms.look(machine).vcpus.items() if vm == number}
        check(cpus == {last}, f"they are on the CPUs {cpus}")
    vms.ask(machine, f"sched set {number} affinity 0-{last}")


def what_no_cpu_has_cannot_be_reserved(bench):
    """And a wrong setting changes nothing."""
    machine = bench.machine
    before = vms.settings(machine)
    for words, answer in {"1.0 reserve 9000/10000": "no CPU has room", "1 weight 0": "out of range",
                          "1 cap x": "no setting", "1 affinity 77": "no setting",
                          "99 weight 1": "no VM", "1 nonsense 1": "no setting",
                          "1 reserve 5000/1000": "out of range"}.items():
        output = vms.ask(machine, f"sched set {words}")
        check(answer in output, f"sched set {words}: {output!r}")
    check(vms.settings(machine) == before, "a wrong setting was taken")


def a_paused_vm_leaves_its_time_to_the_others(bench):
    """By their weights; and goes on when it is resumed."""
    machine, number = bench.machine, number_of(bench, "heavy")
    vms.ask(machine, f"pause {number}")
    span = vms.span(machine, span_seconds(bench) / 2, "light")
    vms.ask(machine, f"resume {number}")
    ran = max(ran for (vm, _), ran in span.ran.items() if vm == number)
    check(ran < PAUSE_US, f"it runs: {ran} us")
    note = check_shares(bench, span, weights(bench, "light", "middle"), 2)
    vms.wait_for_speech(machine, "heavy")
    return note


def add_crowd(name, cpus, cost, long=False, **setup):
    """Add the group for one machine."""
    exact = setup["emulator"] == "bochs" or cpus == 1

    def guests_run(bench):
        """The first step: it starts the machine."""
        start(bench, crowd(cpus), cpus=cpus, **setup)

    add_group(name, [
        guests_run, each_vcpu_has_its_share,
        a_capped_vm_is_at_its_cap_within_a_percent,
        *([a_reservation_meets_every_deadline, a_prompt_sleeper_wakes_within_the_bound]
          if exact else []),
        *([vcpus_move_between_the_cpus, a_new_affinity_counts_at_once] if cpus > 1 else []),
        a_new_weight_counts_at_once, a_new_cap_counts_at_once,
        what_no_cpu_has_cannot_be_reserved, a_paused_vm_leaves_its_time_to_the_others,
        nobody_finds_a_wrong_register_or_interrupt], long=long, cost=cost)


add_crowd("vms_by_amd_v_on_one_cpu", 1, 15, emulator="qemu")
add_crowd("vms_by_amd_v_on_two_cpus", 2, 15, emulator="qemu")
add_crowd("vms_by_amd_v_on_four_cpus", 4, 20, emulator="qemu")
add_crowd("vms_by_vt_x_on_one_cpu", 1, 60, emulator="bochs")
add_crowd("vms_by_vt_x_on_two_cpus", 2, 90, emulator="bochs")


# Hostile guests -------------------------------------------------------------------------------

def a_storm_of_everything_ends_with_a_triple_fault(bench):
    """The monitor answers meanwhile."""
    machine = bench.machine
    begin = vms.look(machine)
    while "triple fault" not in vms.speech(machine.screen.text, "storm"):
        check("Pintle" in vms.ask(machine, "version"), "the monitor does not answer")
        vms.wait_for_speech(machine, "victim")
        check(vms.look(machine).at < begin.at + 60, "the storm does not end")
    length = vms.look(machine).at - begin.at
    return f"{len(vms.speech(machine.screen.text, 'storm'))} lines in {length:.1f} s"


def the_others_have_their_shares(bench):
    """The one that keeps interrupts off too."""
    span = vms.span(bench.machine, span_seconds(bench), "victim")
    check(span.ran[number_of(bench, "storm"), 0] == 0, "the dead run")
    return check_shares(bench, span, weights(bench, "victim", "hog"))


def add_hostile(name, cpus, emulator, cost):
    """Add the group for one machine."""
    def hostile_guests_run(bench):
        """The first step: it starts the machine."""
        start(bench, [Guest("spin", "victim", cpus=2 * cpus), Guest("hog", "hog", cpus=4 * cpus),
                      Guest("storm", "storm", cpus=2 * cpus)], cpus=cpus, emulator=emulator)

    add_group(name, [hostile_guests_run, a_storm_of_everything_ends_with_a_triple_fault,
                     the_others_have_their_shares, nobody_finds_a_wrong_register_here], cost=cost)


def nobody_finds_a_wrong_register_here(bench):
    """Nor do the others stop."""
    vms.wait_for_speech(bench.machine, "victim")
    for line in vms.speech(bench.machine.screen.text, "victim"):
        check("FAULT" not in line and vms.numbers(line)[-1] == 0, f"victim: {line}")


add_hostile("hostile_vms_by_amd_v", 2, "qemu", 10)
add_hostile("hostile_vms_by_vt_x", 1, "bochs", 40)


# Beside Linux ---------------------------------------------------------------------------------

WAKEUPS = {True: 500, False: 50}  # where the emulator is exact, and elsewhere
SERVICE_WEIGHT = 400  # kernel/service.c
FOLDER = ROOT / "build" / "vms"


def linux_comes_up(bench, setup):
    """With the guests waiting in a file."""
    bench.guests = crowd(setup["cpus"])
    bench.guest = test_module.start_with(
        bench, (test_module.program("kvmhost", "kvmhost.c", "kvmguest.c"),
                test_module.program("wakeups", "wakeups.c"),
                ("files/guests", str(vms.pack(bench.guests, FOLDER)))), memory=512, **setup)


def wakeups(bench):
    """How late Linux wakes a program that sleeps a millisecond: median, 99th, worst, in us."""
    count = WAKEUPS[is_exact(bench)]
    said = bench.guest.run(f"wakeups {count}", 180 + vms.seconds(bench.machine, 0.01 * count))
    return vms.numbers(re.search("median[^\n]*", said)[0].replace("99th", ""))


def its_programs_wake_as_soon_beside_guests(bench):
    """As without them, and the bound of kernel/sched.h later at the 99th percentile."""
    alone = wakeups(bench)
    bench.guest.run("kvmhost /files/guests > /said &")
    vms.wait_until_all_run(bench.machine, sum(guest.cpus for guest in bench.guests))
    vms.ask(bench.machine, *(f"sched set {number_of(bench, guest.name)} {setting}"
                             for guest in bench.guests for setting in guest.settings()))
    crowded = wakeups(bench)
    load = SERVICE_WEIGHT + sum(
        guest.weight * guest.cpus / (bench.guest.cpus if guest.name in SPINNERS else 1)
        for guest in bench.guests)
    limit = alone[1] + 1000 * (PROMPT_MS * load / SERVICE_WEIGHT + NORMAL_MS)
    note = f"median, 99th, worst us: {alone} alone, {crowded} beside guests"
    if is_exact(bench):
        check(crowded[1] <= limit, f"{note}; the limit is {limit:.0f}")
    return note


def each_vcpu_has_its_share_beside_a_busy_linux(bench):
    """Which has its own, on each CPU; the threads of vCPUs, which lend them its CPUs, wait meanwhile."""
    limit = 120
    bench.guest.run("renice -n -20 -p $$", limit)  # else this shell waits for that work, too
    bench.guest.run("for t in /proc/$(pidof kvmhost)/task/*; do renice -n 19 -p ${t##*/}; done;"
                    " renice -n -20 -p $(pidof kvmhost)", limit)
    bench.guest.run("""sh -c 'while sleep 1; do echo "linux: works |"; done' &""", limit)
    for cpu in range(bench.guest.cpus):
        bench.guest.run(f"taskset {1 << cpu:x} sh -c 'while :; do :; done' & renice -n -20 -p $!", limit)
    bench.guest.run("begin=$(wc -c < /said)", limit)
    note = measure_shares(bench, {(0, cpu): SERVICE_WEIGHT for cpu in range(bench.guest.cpus)}, "linux")
    bench.guest.run("end=$(wc -c < /said); killall sh", limit)
    return note


def all_are_gone_when_their_vmm_is_killed(bench):
    """And their pages are back. What they said meanwhile is read now: the line is slow beside them."""
    limit = 120
    bench.guest.run("killall -9 kvmhost; while pidof kvmhost > /dev/null; do usleep 10000; done", limit)
    check(test_module.counts(bench) == (0, 0, 1), f"VMs and pieces are {test_module.counts(bench)}")
    bench.said = bench.guest.run("head -c $end /said | tail -c +$begin", limit)
    bench.guest.run("tail -c +$end /said", limit)


def add_beside(name, cost, long=False, **setup):
    """Add the group for one machine."""
    def linux_runs_alone_at_first(bench):
        """The first step: it starts the machine."""
        linux_comes_up(bench, setup)

    add_group(name, [linux_runs_alone_at_first, its_programs_wake_as_soon_beside_guests,
                     each_vcpu_has_its_share_beside_a_busy_linux,
                     a_capped_vm_is_at_its_cap_within_a_percent,
                     *([vcpus_move_between_the_cpus] if setup["cpus"] > 1 else []),
                     all_are_gone_when_their_vmm_is_killed,
                     *([a_reservation_meets_every_deadline, a_prompt_sleeper_wakes_within_the_bound]
                       if setup["emulator"] == "bochs" else []),
                     nobody_finds_a_wrong_register_or_interrupt], long=long, cost=cost)


# Not with COUNTED: QEMU then delivers a timer interrupt twice now and then, which kills Linux.
add_beside("vms_beside_linux_by_amd_v_on_two_cpus", 40, emulator="qemu", cpus=2)
add_beside("vms_beside_linux_by_amd_v_on_four_cpus", 80, long=True, emulator="qemu", cpus=4)
add_beside("vms_beside_linux_by_vt_x_on_one_cpu", 90, long=True, emulator="bochs", cpus=1, extra=SILENT)
add_beside("vms_beside_linux_by_vt_x_on_two_cpus", 200, long=True, emulator="bochs", cpus=2,
           extra=SILENT)
