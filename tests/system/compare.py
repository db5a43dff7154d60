# SPDX-License-Identifier: GPL-2.0-only
"""What Linux finds on a machine, as lines that can be compared between Pintle and a native boot.

The lines are the kernel's log, the devices with their drivers, the interrupts and the CPU's flags.
differences.txt explains which of them may differ.
"""

import dataclasses
import functools
import pathlib
import re

EXPLAINED = pathlib.Path(__file__).with_name("differences.txt")
LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")

# Each of these becomes N: addresses, sizes, times, counts; but not the place of a PCI function.
PCI_PLACE = r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b"
NUMBER = r"\b0x[0-9A-Fa-f]+|\b(?=[A-Fa-f]*\d)[0-9A-Fa-f]{4,}\b|\d+(?:[.,:/-]\d+)*"

LOOK = """\
dmesg -r
for d in /sys/bus/pci/devices/*; do
 echo "device pci ${d##*/} $(cat $d/vendor $d/device | tr '\\n' ' ')$(basename $(readlink $d/driver) 2> /dev/null)"
done
cd /sys/class; for d in */*; do echo "device $d"; done; cd /
awk 'NR > 1 && / [0-9]+ /' /proc/interrupts | sed 's/^ *[0-9]*: *[0-9 ]*/interrupt /'
awk -F: '/^(flags|bugs|model name)/ {print "cpu " $1 $2}' /proc/cpuinfo | sort -u
cd /sys/devices/system/clocksource/clocksource0
for d in $(cat available_clocksource); do echo "clocksource $d"; done
echo "clocksource used: $(cat current_clocksource)"; cd /
"""


@dataclasses.dataclass
class Sight:
    """What a Linux found."""

    memory: int  # KiB
    lines: set


def normalise(text):
    """One line of the log, without what differs between any two boots."""
    return re.sub(f"({PCI_PLACE})|{NUMBER}", lambda found: found[1] or "N", text).strip()


def lines_of(text):
    """The lines to compare in what LOOK printed."""
    for line in text.splitlines():
        logged = re.match(r"<(\d+)>\[[^]]*\] ?(.*)", line)
        words = line.split()
        if logged:
            yield f"{LEVELS[int(logged[1]) & 7]}: {normalise(logged[2])}"
        elif words[:1] == ["cpu"]:
            kind, *values = words[1:]
            yield from ([f"cpu {kind} {value}" for value in values] if kind in ("flags", "bugs")
                        else [line])
        elif words[:1] == ["interrupt"]:
            yield " ".join(words)
        elif words[:1] in (["device"], ["clocksource"]):
            yield re.sub(r"\binput\d+", "inputN", line.strip())  # in the order of their discovery


def look(guest):
    """Look around in a Linux that has just come up."""
    text = guest.run(LOOK.replace("\n", ";").replace("do;", "do").rstrip(";"), 200)
    return Sight(guest.memory, set(lines_of(text)))


@functools.lru_cache(maxsize=None)
def explanations():
    """(sign, pattern) by the line of each explained difference; the form is explained in the file."""
    return {line: (line[0], re.compile(re.escape(line[1:].strip()).replace(r"\*", ".*")))
            for line in EXPLAINED.read_text(encoding="ascii").splitlines() if line and line[0] in "+-~"}


_used = set()  # the explanations that were needed so far


def unexplained(native, ours):
    """The differences that nobody has explained, as text: `+ line` and `- line`."""
    left = []
    changes = [("+", line) for line in sorted(ours.lines - native.lines)]
    changes += [("-", line) for line in sorted(native.lines - ours.lines)]
    for sign, line in changes:
        found = {known for known, (signs, pattern) in explanations().items()
                 if signs in ("~", sign) and pattern.fullmatch(line)}
        _used.update(found)
        if not found:
            left.append(f"{sign} {line}")
    return left


def unused():
    """The explanations that no comparison has needed, but for those of what happens at times."""
    return [known for known in explanations() if known[0] != "~" and known not in _used]
