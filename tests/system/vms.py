# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of several VMs share: guests as boot modules, what the monitor says of them."""

import dataclasses
import hashlib
import importlib.util
import re
import struct
import threading
import time

import linux
import service
from harness import ROOT, Failure, check

VMS = ROOT / "tests" / "vms"


def _load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_lock = threading.Lock()
_built = {}  # [_lock] name -> path: each program once, as tests beside this one read them

build = _load("vms_build", VMS / "build.py")
_host_build = _load("vms_host_build", ROOT / "tests" / "calls" / "build.py")

def _program(make, name, *more):
    with _lock:
        if name not in _built:
            _built[name] = make(name, ROOT / "build" / "vms", *more)
        return _built[name]


# Seconds of ours that a second of the guest may take, three times what is seen: Bochs for each CPU.
SLOWNESS = {"qemu": 3, "bochs": 15}


LATENCIES = ("batch", "normal", "prompt")  # as in kernel/sched.h


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest to start: a program of tests/vms, its name and how it is scheduled.

    latency: "batch", "normal", "prompt". budget, period: us. cpu: the only one it may use.
    """

    program: str
    name: str
    cpus: int = 1
    weight: int = 100
    cap: int = 0
    latency: str = "normal"
    budget: int = 0
    period: int = 0
    cpu: int = -1

    def settings(self):
        """What `sched set` is told where the guest's VMM cannot say it."""
        yield f"weight {self.weight}"
        yield f"cap {self.cap}"
        yield f"latency {self.latency}"
        if self.period != 0:
            yield f"reserve {self.budget}/{self.period}"

    def packed(self):
        """What tests/vms/host.c reads: struct given, and the image."""
        image = _program(build.build, self.program).read_bytes()
        affinity = 1 << self.cpu if self.cpu >= 0 else 0
        head = struct.pack("<16sII4I2Q8Q", self.name.encode(), self.cpus, len(image), self.weight,
                           self.cap, LATENCIES.index(self.latency), 0, 1000 * self.budget,
                           1000 * self.period, affinity, *[0] * 7)
        return head + image + bytes(-len(image) % 16)


def pack(guests, folder):
    """A file of these guests, made in `folder`; its path."""
    packed = b"".join(guest.packed() for guest in guests)
    return linux.whole_file(folder / f"guests-{hashlib.sha256(packed).hexdigest()[:16]}",
                            lambda path: path.write_bytes(packed))


def modules(guests, folder):
    """The boot modules of a service VM that starts these guests, made in `folder`."""
    host = _program(_host_build.build, "host", VMS)
    return ((str(host), "kernel", ""), (str(pack(guests, folder)), "initrd", ""))


@dataclasses.dataclass
class Vcpu:
    """A line of `sched`."""

    cpu: int
    weight: int
    got: int
    ran: int  # us, as the next
    waited: int
    moves: int


@dataclasses.dataclass
class Look:
    """What `sched` said: when, and of each vCPU."""

    at: float  # seconds
    vcpus: dict  # (VM, index) -> Vcpu


LINE = re.compile(r"^(\d+)\.(\d+) +(\d+) +(\d+) +\d+ +\w+ +\d+/\d+ +\d+ +(\d+) +(\d+) +(\d+)"
                  r" +(\d+)$", re.MULTILINE)


def ask(machine, *commands):
    """Run commands of the monitor, which has the keys for so long; what they print."""
    service.to_monitor(machine)
    output = ""
    for command in commands:
        said = machine.command(command)
        while "try again" in said:  # it was on its way to another CPU
            said = machine.command(command)
        output += said
    service.to_guest(machine)
    return output


def look(machine):
    """Ask `sched`."""
    text = ask(machine, "sched")
    when = re.search(r"up (\d+\.\d+) s", text)
    check(when, f"sched says: {text!r}")
    rows = [[int(word) for word in found.groups()] for found in LINE.finditer(text)]
    return Look(float(when[1]), {(row[0], row[1]): Vcpu(*row[2:]) for row in rows})


def wait_until_all_run(machine, count):
    """So many vCPUs besides the service VM's."""
    limit = time.monotonic() + seconds(machine, 10)
    while True:
        ran = [vcpu.ran for (vm, _), vcpu in look(machine).vcpus.items() if vm != 0]
        if len(ran) == count and all(ran):
            return
        check(time.monotonic() < limit, f"of {count} vCPUs {len(ran)} are there, {sum(map(bool, ran))} have run")
        time.sleep(0.2)  # each look takes time from them


def seconds(machine, guest_seconds):
    """How long so many seconds of the guest may take."""
    setup = machine.setup
    factor = setup.cpus if setup.emulator == "bochs" else 1
    return 30 + guest_seconds * SLOWNESS[setup.emulator] * factor


@dataclasses.dataclass
class Span:
    """What happened between two looks."""

    length: float  # us
    ran: dict  # (VM, index) -> us
    moves: int


class Stalls:
    """The longest time, in seconds, in which this process did not run though it wanted to: `with` this.

    What is measured in the machine's time, which goes on meanwhile, is nobody's fault then.
    """

    def __enter__(self):
        self.longest = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        last = time.monotonic()
        while not self._end.wait(0.02):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def span(machine, length, name):
    """Look twice, `length` seconds apart or a little more; the guest `name` speaks every second."""
    first = last = look(machine)
    while last.at < first.at + length:
        for _ in range(max(1, int(first.at + length - last.at))):
            wait_for_speech(machine, name)
        last = look(machine)
    return between(first, last)


def between(first, last):
    """From one look to another."""
    check(first.vcpus.keys() == last.vcpus.keys(), "vCPUs come or go")
    return Span((last.at - first.at) * 1e6,
                {key: vcpu.ran - first.vcpus[key].ran for key, vcpu in last.vcpus.items()},
                sum(vcpu.moves - first.vcpus[key].moves for key, vcpu in last.vcpus.items()))


def by_vm(values):
    """The sums of the vCPUs of each VM."""
    return {(vm, "all"): sum(value for (other, _), value in values.items() if other == vm)
            for vm, _ in values}


def check_shares(ran, weights, tolerance):
    """Each has what it should have of all that they have, by weight; the worst error is returned.

    ran, weights: of the same keys. tolerance: of what each should have.
    """
    total, sum_of_weights = sum(ran.values()), sum(weights.values())
    errors = {key: ran[key] * sum_of_weights / (total * weight) - 1
              for key, weight in weights.items()}
    key = max(errors, key=lambda key: abs(errors[key]))
    if abs(errors[key]) > tolerance:
        text = ", ".join(f"{vm}.{index} {100 * error:+.1f} %" for (vm, index), error in
                         sorted(errors.items()))
        raise Failure(f"not by weight within {100 * tolerance:.1f} %: {text}")
    return errors[key]


def speech(text, name):
    """What the guest says in this text of a screen, as a list of lines, also one that the monitor cuts."""
    text = re.sub(r"\n\[monitor; .*?\[service VM; [^\n]*\n", "", text, flags=re.DOTALL)
    return re.findall(rf"^{name}: ([^\n]*) \|\n", text, re.MULTILINE)


def wait_for_speech(machine, name):
    """The next line of the guest."""
    return machine.wait_for(rf"(?m)^{name}: ([^\n]*) \|\n", seconds(machine, 3))[1]


def settings(machine):
    """What `sched` says of each vCPU's parameters."""
    return re.findall(r"^(\d+\.\d+) +\d+ +(\d+) +(\d+) +(\w+) +(\d+/\d+) ",
                      ask(machine, "sched"), re.MULTILINE)


def numbers(line):
    """The numbers of a line."""
    return [int(word) for word in re.findall(r"\d+", line)]
