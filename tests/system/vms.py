# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of several VMs share: guests as boot modules, what the monitor says of them."""

import dataclasses
import importlib.util
import re

from harness import ROOT, Failure, check

_spec = importlib.util.spec_from_file_location("vms_build", ROOT / "tests" / "vms" / "build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

# Seconds of ours that a second of the guest may take, three times what is seen: Bochs for each CPU.
SLOWNESS = {"qemu": 3, "bochs": 15}


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest to start: a program of tests/vms, its name and what it is given."""

    program: str
    name: str
    words: str = ""
    cpus: int = 1
    weight: int = 100

    def module(self):
        """Its boot module."""
        image = build.build(self.program, ROOT / "build" / "vms")
        words = f"name={self.name} cpus={self.cpus} weight={self.weight} {self.words}"
        return (str(image), "guest", words.strip())


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


def ask(machine, command):
    """Run a command of the monitor that prints something; what it prints.

    A line of the log that comes between the command and the key that ends it looks like its output.
    """
    output = machine.command(command)
    while re.match(r"\[ *\d+\.\d+ cpu", output):
        output = machine.output_of(command)
    return output


def look(machine):
    """Ask `sched`."""
    text = ask(machine, "sched")
    when = re.search(r"up (\d+\.\d+) s", text)
    check(when, f"sched says: {text!r}")
    rows = [[int(word) for word in found.groups()] for found in LINE.finditer(text)]
    return Look(float(when[1]), {(row[0], row[1]): Vcpu(*row[2:]) for row in rows})


def until(machine, at, name):
    """Wait until the guest `name`, which speaks every second, speaks after `at` seconds."""
    while True:
        found = machine.wait_for(rf"\[ *(\d+\.\d+) cpu\d+\] {name}: [^\n]*\n", seconds(machine, 3))
        if float(found[1]) >= at:
            return


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


def span(machine, length, name):
    """Look twice, `length` seconds of the guest apart or a little more."""
    first = look(machine)
    until(machine, first.at + length, name)
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
    ran = {key: ran[key] for key in weights}
    total, sum_of_weights = sum(ran[key] for key in weights), sum(weights.values())
    errors = {key: ran[key] * sum_of_weights / (total * weight) - 1
              for key, weight in weights.items()}
    key = max(errors, key=lambda key: abs(errors[key]))
    if abs(errors[key]) > tolerance:
        text = ", ".join(f"{vm}.{index} {100 * error:+.1f} %" for (vm, index), error in
                         sorted(errors.items()))
        raise Failure(f"not by weight within {100 * tolerance:.1f} %: {text}")
    return errors[key]


def speech(text, name):
    """What the guest says in this text of a screen, as a list of lines."""
    return re.findall(rf"\[ *\d+\.\d+ cpu\d+\] {name}: ([^\n]*)\n", text)


def wait_for_speech(machine, name):
    """The next line of the guest."""
    return machine.wait_for(rf"cpu\d+\] {name}: ([^\n]*)\n", seconds(machine, 3))[1]


def settings(machine):
    """What `sched` says of each vCPU's parameters."""
    return re.findall(r"^(\d+\.\d+) +\d+ +(\d+) +(\d+) +(\w+) +(\d+/\d+) ",
                      ask(machine, "sched"), re.MULTILINE)


def numbers(line):
    """The numbers of a line."""
    return [int(word) for word in re.findall(r"\d+", line)]
