# SPDX-License-Identifier: GPL-2.0-only
"""The `pintle` command on this host, with a stand-in for pintle-vmm: what it does about processes that come and go."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from harness import ROOT, check, test

# Does what its configuration says: refuses, or lives until a signal that it heeds.
STAND_IN = """\
#!/bin/sh
while [ $# -gt 0 ]; do
	[ "$1" = --pidfile ] && pidfile=$2
	[ "$1" = --config ] && config=$2
	shift
done
if grep -q refuse "$config"; then
	echo "pintle-vmm: this cannot be" >&2
	exit 1
fi
echo "pintle-vmm: the serial port is /dev/null" >&2
trap 'exit 0' INT TERM PWR
! grep -q deaf "$config" || trap '' INT TERM PWR
echo $$ >"$pidfile"
while :; do sleep 0.1; done
"""


class Command:
    """`pintle` with folders of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.configs, self.run = self.folder / "etc", self.folder / "run"
        self.configs.mkdir()
        stand_in = self.folder / "pintle-vmm"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)

    def write(self, name, *lines):
        """A guest's configuration."""
        (self.configs / f"{name}.conf").write_text("".join(line + "\n" for line in lines))

    def __call__(self, *words, status=0):
        """What it says; its status must be this."""
        done = subprocess.run(
            ["busybox", "sh", ROOT / "service" / "pintle" / "pintle", *words], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "PINTLE_CONFIGS": str(self.configs),
                 "PINTLE_RUN": str(self.run), "PINTLE_STOP_SECONDS": "2", "PINTLE_KILL_SECONDS": "2"})
        check(done.returncode == status, f"`pintle {' '.join(words)}` has status {done.returncode}: {done.stdout!r}")
        return done.stdout

    def pid(self, name):
        """The process of a guest that runs."""
        return int((self.run / f"{name}.pid").read_text())

    def states(self):
        """What `pintle list` says: name -> state."""
        return {line.split()[0]: line.split()[1] for line in self("list").splitlines()[1:]}


@contextlib.contextmanager
def command():
    """In the block, `pintle`; its processes end with the block."""
    with tempfile.TemporaryDirectory(prefix="pintle-command-") as folder:
        pintle = Command(folder)
        try:
            yield pintle
        finally:
            for name, state in pintle.states().items():
                if state == "runs":
                    os.kill(pintle.pid(name), signal.SIGKILL)
                    wait_until((pintle.run / f"{name}.status").exists, "its end is not told")


def wait_until(condition, text):
    """Soon it must hold."""
    limit = time.monotonic() + 20
    while not condition():
        check(time.monotonic() < limit, text)
        time.sleep(0.1)


@test
def pintle_starts_and_stops_guests(_):
    """And lists them, also with none."""
    with command() as pintle:
        check(pintle.states() == {}, "there are guests")
        pintle.write("one", "  mem=96 ", "cpus =  3")
        pintle.write("two", "# mem = 5")
        check("one runs" in pintle("start", "one"), "it does not say so")
        check(pintle("list").splitlines()[1].split()[:4] == ["one", "runs", "3", "96"], "the list is wrong")
        check("runs already" in pintle("start", "one", status=1), "it starts twice")
        check("one is off" in pintle("stop", "one"), "it does not say so")
        check(pintle.states() == {"one": "stopped", "two": "stopped"}, "it runs on")
        pintle("start", "one", "two")
        pintle("kill", "one")
        # A shell in the background cannot heed SIGINT as pintle-vmm does, and so was killed.
        wait_until(lambda: "it ended by signal 9" in pintle("info", "one"), "its end is not told")
        check("two is off" in pintle("stop", "--all"), "it does not stop")


@test
def pintle_starts_those_that_are_to_start_by_themselves(_):
    """One that is refused does not hold up the others."""
    with command() as pintle:
        pintle.write("a", "autostart = yes", "# refuse")
        pintle.write("b", "autostart = no")
        pintle.write("c", "autostart=yes")
        text = pintle("start", "--auto", status=1)
        check("this cannot be" in text and "a was not started" in text, f"it says {text!r}")
        check(pintle.states() == {"a": "stopped", "b": "stopped", "c": "runs"}, "others run")
        check("refused by pintle-vmm" in pintle("info", "a"), "its end is not told")


@test
def pintle_believes_no_stale_number(_):
    """Of a process that was killed, or is another one now."""
    with command() as pintle:
        pintle.write("one")
        pintle("start", "one")
        pid = pintle.pid("one")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the process stays")
        check(pintle.states() == {"one": "stopped"}, "the list says that it runs")
        wait_until(lambda: "by signal 9" in pintle("info", "one"), "its end is not told")
        (pintle.run / "one.pid").write_text(f"{os.getpid()}\n")
        check("one does not run" in pintle("kill", "one", status=1), "it kills somebody else")
        pintle("start", "one")


@test
def pintle_ends_a_guest_that_does_not_listen(_):
    """By kill, which stop names."""
    with command() as pintle:
        pintle.write("one", "# deaf")
        pintle("start", "one")
        check("pintle kill one" in pintle("stop", "one", status=1), "stop does not say what to do")
        check("one is ended" in pintle("kill", "one"), "kill does not end it")
        pintle("start", "one")
        check("one is ended" in pintle("kill", "--all"), "kill --all does not end it")


@test
def pintle_stops_a_guest_whose_file_is_gone(_):
    """It runs on, and must not only end with the machine."""
    with command() as pintle:
        pintle.write("one")
        pintle("start", "one")
        (pintle.configs / "one.conf").unlink()
        row = ["one", "runs", "-", "-", "-", str(pintle.pid("one"))]
        check(pintle("list").splitlines()[1].split() == row, "it is not in the list")
        check("one is off" in pintle("stop", "--all"), "it is not stopped")
        check("there is no guest one" in pintle("stop", "one", status=1), "it is still there")


@test
def pintle_does_not_wait_for_a_guest_that_left_an_empty_status(_):
    """As on a full file system: a status is there, without a word in it."""
    with command() as pintle:
        pintle.write("one", "# refuse")
        stand_in = pintle.folder / "pintle-vmm"
        stand_in.write_text(STAND_IN.replace("exit 1", ': >"${pidfile%.pid}.status"; kill -9 $PPID $$'))
        check("one was not started" in pintle("start", "one", status=1), "it does not say so")


@test
def pintle_refuses_nonsense_by_a_sentence(_):
    """And a status that tells a wrong command line from what cannot be done."""
    with command() as pintle:
        pintle.write("one")
        for words, status, text in (
                (("start", "nobody"), 1, "there is no guest nobody"), (("start", "../one"), 1, "no guest's name"),
                (("stop", "one"), 1, "one does not run"), (("console", "one"), 1, "one does not run"),
                (("info", ""), 1, "no guest's name"), (("start",), 2, "pintle start NAME"),
                (("console", "-x", "one"), 2, "pintle list"), (("fly",), 2, "pintle list"), ((), 2, "pintle list")):
            said = pintle(*words, status=status)
            check(text in said, f"`pintle {' '.join(words)}` says {said!r}")
        check("pintle list" in pintle("help"), "there is no help")
