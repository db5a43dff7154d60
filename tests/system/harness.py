# SPDX-License-Identifier: GPL-2.0-only
"""What a system test works with: a machine that runs Pintle, and its serial line.

A test is a function `name(bench)` marked with @test, or a step of a group (see add_group). It fails
by raising; a string that it returns is shown beside its result.
"""

import contextlib
import dataclasses
import pathlib
import re
import struct
import subprocess
import sys
import threading
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import emulator  # noqa: E402 pylint: disable=wrong-import-position
import mkiso  # noqa: E402 pylint: disable=wrong-import-position
import gdbstub  # noqa: E402 pylint: disable=wrong-import-position

PROMPT = r"(?:pintle|panic)> "

# Seconds until the prompt: three times what is seen, for a machine that does other things too.
BOOT_SECONDS = {("qemu", "bios"): 60, ("qemu", "uefi"): 120,
                ("bochs", "bios"): 120, ("bochs", "uefi"): 240}
COMMAND_SECONDS = {"qemu": 20, "bochs": 90}

ANSWER_SECONDS = 3  # then a command is typed once more, after garbage

BANNER = "a microhypervisor"  # in the first line of each start

# No wait goes on after one of these, unless it waits for just that.
FATAL = re.compile(r"(?:PANIC on cpu|error: cannot start).*\n")

ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()#][0-9A-Za-z]|[0-Z\\-~])")
UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[()#])?|\r+)\Z")


class Failure(Exception):
    """A test has found something wrong; the text says what."""


def check(condition, text):
    """Fail with `text` unless the condition holds."""
    if not condition:
        raise Failure(text)


class Screen:
    """Turns what comes over the line into plain text: no escape codes, every line end one \\n."""

    def __init__(self):
        self.text = ""
        self._rest = ""

    def feed(self, data):
        """Add bytes as they come; escape codes may be cut anywhere."""
        raw = self._rest + data.decode("latin-1")
        cut = UNFINISHED.search(raw)
        end = cut.start() if cut else len(raw)
        self._rest = raw[end:]
        plain = ESCAPE.sub("", raw[:end])
        self.text += re.sub(r"\r+\n?", "\n", plain).replace("\0", "")


class Machine:
    """A running Pintle, seen from the far end of its serial line."""

    def __init__(self, setup):
        self.setup = setup
        self.emulator = emulator.Emulator(setup)
        self.screen = Screen()
        self.patience = 1  # a machine that is known to be slow is given so many times as long
        self._seen = 0  # text before this offset has been waited for
        self._outgoing = bytearray()

    def read_some(self, seconds):
        """Exchange bytes with the machine for a moment; False when it has ended and said all."""
        ended = self.emulator.ended()  # asked first: what it wrote last is then there to read
        received, _ = self.emulator.exchange(self._outgoing, seconds)
        self.screen.feed(received)
        return bool(received) or not ended

    def wait_for(self, pattern, seconds):
        """Wait until the text not yet waited for matches; the next wait goes on after the match."""
        wanted = re.compile(pattern, re.DOTALL)
        limit = time.monotonic() + seconds * self.patience
        while True:
            match = wanted.search(self.screen.text, self._seen)
            if match:
                self._seen = match.end()
                return match
            fatal = FATAL.search(self.screen.text, self._seen)
            if fatal:
                self._read_report()
                raise Failure(f"{fatal.group().strip()!r} instead of {pattern!r}")
            if self.screen.text.count(BANNER, self._seen) > 1:
                raise Failure(f"the machine restarts by itself; {self.last_line()}")
            if time.monotonic() > limit:
                raise Failure(f"no {pattern!r} in {seconds} s; {self.last_line()}")
            if not self.read_some(limit - time.monotonic()):
                status = self.emulator.process.returncode
                raise Failure(f"the emulator ended (status {status}) instead of {pattern!r}; "
                              + self.last_line())

    def text_until(self, pattern, seconds):
        """Wait as wait_for() does; the text since the last wait and before the match, and the match.

        For long texts: a pattern that begins with `.*` is tried anew at each of their characters.
        """
        start = self._seen
        match = self.wait_for(pattern, seconds)
        return self.screen.text[start:match.start()], match

    def _read_report(self):
        """Read what follows a fatal line, for the log file: up to the panic prompt or a silence."""
        size = -1
        while size != len(self.screen.text) and not self.screen.text.endswith("panic> "):
            size = len(self.screen.text)
            for _ in range(5):
                self.read_some(emulator.POLL_SECONDS)

    def wait_for_prompt(self):
        """Wait for the first prompt after a start; returns all text since the last wait."""
        start = self._seen
        self.wait_for(PROMPT, self.boot_seconds())
        return self.screen.text[start:self._seen]

    def send(self, data):
        """Send bytes, and read what comes back meanwhile."""
        self._outgoing += data
        limit = time.monotonic() + self.command_seconds() + len(data) / 20  # Bochs takes 80 a second
        while self._outgoing:
            if not self.read_some(0.1) or time.monotonic() > limit:
                raise Failure(f"the machine takes no input; {self.last_line()}")

    def send_line(self, text):
        """Type a line and press enter."""
        self.send(text.encode() + b"\r")

    def command(self, text, seconds=None):
        """Run a monitor command; returns what it printed."""
        self.send_line(text)
        return self.output_of(text, seconds)

    def output_of(self, text, seconds=None):
        """The output of the command line `text` that has been typed, up to the next prompt."""
        pattern = re.escape(text) + rf"\n(.*?){PROMPT}"
        return self.wait_for(pattern, seconds or self.command_seconds()).group(1)

    def insist(self, text, pattern):
        """Give the line up and type a command, again and again, until the pattern comes.

        For what is so a moment later, and for a monitor that is busy with garbage: what is typed
        while its input is full is lost.
        """
        limit = time.monotonic() + 2 * self.command_seconds()
        while True:
            self.send(b"\x03" + text.encode() + b"\r")
            try:
                return self.wait_for(pattern, ANSWER_SECONDS)
            except Failure:
                if time.monotonic() > limit or "PANIC" in self.screen.text:
                    raise

    def wait_until_off(self):
        """Wait until the emulator ends because the machine switched itself off."""
        limit = time.monotonic() + self.command_seconds()
        while self.read_some(0.2):
            check(time.monotonic() < limit, f"the machine is still on; {self.last_line()}")
        self.emulator.wait(5)
        check(self.emulator.powered_off(), "the emulator ended, but not by a power-off")

    def boot_seconds(self):
        """How long a start may take. Bochs runs all CPUs on one of ours."""
        limit = BOOT_SECONDS[self.setup.emulator, self.setup.firmware]
        return limit * (1 + self.setup.cpus // 4)

    def command_seconds(self):
        """How long a command may take."""
        return COMMAND_SECONDS[self.setup.emulator] * (1 + self.setup.cpus // 4)

    def last_line(self):
        """The last thing seen, for the reason of a failure."""
        lines = [line for line in self.screen.text.splitlines() if line.strip()]
        return f"last line: {lines[-1].strip()!r}" if lines else "nothing was printed"

    def vga_text(self):
        """What stands on the VGA text screen (80 x 25 characters at 0xb8000; QEMU)."""
        dump = self.emulator.folder / "vga"
        self.emulator.qmp("pmemsave", val=0xB8000, size=80 * 25 * 2, filename=str(dump))
        text = dump.read_bytes()[::2].decode("latin-1")
        return "\n".join(text[at:at + 80].rstrip() for at in range(0, len(text), 80))

    def transcript(self):
        """All that is known about this machine, for its log file."""
        return (f"$ {self.emulator.describe()}\n\n{self.screen.text}\n"
                f"\n--- the emulator said:\n{self.emulator.output()}\n")


class Workshop:
    """Makes the ISOs and knows the symbols; shared by all tests of a run."""

    def __init__(self, elf, folder):
        self.elf = pathlib.Path(elf).resolve()
        self._folder = pathlib.Path(folder)
        self._made = {}  # [_lock] what an ISO is made of -> its path
        self._lock = threading.Lock()
        self._symbols = None  # [_lock]

    def iso(self, cmdline, exclude, tables, modules=(), native=False):
        """The path of the ISO with this command line, changed ACPI tables and boot modules.

        native: without Pintle.
        """
        key = (cmdline, tuple(exclude), tuple(tables), tuple(modules), native)
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make_iso(*key)
            return self._made[key]

    def symbol(self, name):
        """The address of a symbol of the image."""
        with self._lock:
            if self._symbols is None:
                lines = subprocess.run(["nm", self.elf], stdout=subprocess.PIPE, text=True,
                                       check=True).stdout.splitlines()
                self._symbols = {words[2]: int(words[0], 16) for words in map(str.split, lines)
                                 if len(words) == 3}
            return self._symbols[name]

    def _make_iso(self, cmdline, exclude, tables, modules, native):
        number = len(self._made)
        files = []
        for index, data in enumerate(tables):
            files.append(self._folder / f"{number}-{index}.acpi")
            files[-1].write_bytes(data)
        path = self._folder / f"{number}.iso"
        mkiso.make_iso(self.elf, path, cmdline, 0, exclude, files, modules, native)
        return path


class Bench:
    """The place of one test or group: at most one machine at a time, and one log file."""

    def __init__(self, workshop, log, long=False):
        self.workshop = workshop
        self.long = long  # the run has time
        self.machine = None
        self.guest = None  # the Linux in it, for the steps of a group
        self.native = self.ours = None  # what it finds without Pintle, and with it
        self.log = log
        self._log_file = open(log, "w", encoding="utf-8", errors="replace")

    def start(self, cmdline="", exclude=(), tables=(), modules=(), native=False, **setup):
        """Switch a new machine on, without waiting for anything; it is `self.machine` too."""
        self.stop()
        iso = self.workshop.iso(cmdline, exclude, tables, modules, native)
        self.machine = Machine(emulator.Setup(iso=iso, **{"vms": bool(modules), **setup}))
        self.machine.emulator.start()
        return self.machine

    def boot(self, cmdline="", exclude=(), tables=(), **setup):
        """Start a machine and wait for its prompt."""
        machine = self.start(cmdline, exclude, tables, **setup)
        machine.wait_for_prompt()
        return machine

    @contextlib.contextmanager
    def stopped_at_boot_main(self, cmdline="", function="boot_main", **setup):
        """Start a machine and stop it where C (or `function`) begins; it goes on after the block.

        Gives the GDB stub; in boot_main EDI holds the boot magic, RSI the address of the boot information, and
        physical memory is mapped at its own address.
        """
        machine = self.start(cmdline, gdb=True, **setup)
        with gdbstub.GdbStub(machine.emulator.gdb_path()) as stub:
            stub.run_to(self.workshop.symbol(function))
            yield stub

    def stop(self):
        """Switch the machine off and keep what it said."""
        if self.machine is None:
            return
        try:
            self._log_file.write(self.machine.transcript())
        finally:
            self.machine.emulator.stop()
            self.machine = None

    def close(self):
        """End everything. The log then is complete."""
        self.stop()
        self._log_file.close()


class BootInformation:
    """The Multiboot2 information in the memory of a stopped machine (specification 3.6)."""

    MMAP = 6
    RSDP = (14, 15)

    def __init__(self, stub):
        self.stub = stub
        self.base = stub.register("rsi")
        self.size = struct.unpack("<I", stub.read(self.base, 4))[0]
        self.data = stub.read(self.base, self.size)

    def tags(self, *types):
        """(address, size) of every tag of one of these types."""
        offset = 8
        while offset < self.size:
            kind, size = struct.unpack_from("<II", self.data, offset)
            if kind in types:
                yield self.base + offset, size
            offset += (size + 7) & ~7

    def tag(self, *types):
        """(address, size) of the first tag of one of these types."""
        for found in self.tags(*types):
            return found
        raise Failure(f"GRUB gave no tag of type {types}")

    def set_size(self, size):
        """Claim another total size."""
        self.stub.write(self.base, struct.pack("<I", size))


@dataclasses.dataclass
class Case:
    """Tests that run one after the other on one bench: a single test or the steps of a group."""

    name: str
    steps: list  # (name of the test, function)
    long: bool = False
    cost: int = 1  # a rough measure of time: dear ones start first, so that no CPU idles at the end
    chosen: typing.Optional[set] = None  # the steps to run; None: all
    last: bool = False  # judges a run of all tests, at its end

    def names(self):
        """The names of the tests to run, in order."""
        return [name for name, _ in self.steps if self.chosen is None or name in self.chosen]


CASES = []


def test(function=None, *, long=False, cost=1, last=False):
    """Mark a function as a test. `last`: it is run after all others, if those were all run."""
    def add(marked):
        CASES.append(Case(marked.__name__, [(marked.__name__, marked)], long, cost, last=last))
        return marked
    return add(function) if function else add


def add_group(name, functions, *, long=False, cost=1):
    """Add tests that share one machine, in this order; the first starts it.

    When one fails, those after it fail too, untried: the machine is in no known state.
    """
    steps = [(f"{name}/{function.__name__.rstrip('_')}", function) for function in functions]
    CASES.append(Case(name, steps, long, cost))
