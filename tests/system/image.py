# SPDX-License-Identifier: GPL-2.0-only
"""The service VM's image (service/image) as tests see it: its console, the `pintle` command and the guests' consoles."""

import contextlib
import threading

import linux
import mkimage
import service
from harness import Failure, check

PROMPT = r"service-vm# "
COUNTS = "/sys/bus/pci/drivers/pintle/0*"
DEMO = "/usr/share/pintle/demo"

# How many times longer things take than on QEMU.
SLOW = {"qemu": 1, "bochs": 8}

_lock = threading.Lock()  # held while the image is made


def make():
    """The paths of the image's kernel and initial file system."""
    with _lock:
        if not all((mkimage.OUT / name).is_file() for name in mkimage.FILES):
            mkimage.make_image()
    return [mkimage.OUT / name for name in mkimage.FILES]


class Console:
    """A shell at the other end of a guest's console, which is shown on the machine's line while this is open."""

    def __init__(self, bench, name):
        self.bench, self.name, self.shell, self.syncs = bench, name, None, 0

    def open(self, seconds=None):
        """Go there."""
        self.bench.machine.send(f"pintle console {self.name}\n".encode())
        self.bench.machine.wait_for("Ctrl-X comes back.", seconds or seconds_for(self.bench, 20))
        if self.shell is not None:
            self._sync()

    def _sync(self):
        """What is typed before microcom runs is lost: until an echo comes back, with all answers before it."""
        for _ in range(100):
            self.syncs += 1
            self.bench.machine.send(f"echo sync-{self.syncs}\n".encode())
            with contextlib.suppress(Failure):
                found = self.bench.machine.wait_for(r"sync-(\d+)\n=0=DONE\n", seconds_for(self.bench, 1))
                if int(found[1]) != self.syncs:  # it came late, but the others are on their way
                    self.bench.machine.wait_for(rf"sync-{self.syncs}\n=0=DONE\n", seconds_for(self.bench, 20))
                return
        raise Failure(f"the console of {self.name} is silent; {self.bench.machine.last_line()}")

    def log_in(self):
        """As a person does, once the guest asks; then a command loop takes the place of the shell."""
        machine = self.bench.machine
        type_until(self.bench, "\n", "login: ", 400)
        machine.send(b"root\n")
        machine.wait_for("# ", seconds_for(self.bench, 60))
        machine.send(linux.LOOP.encode())
        self.shell = linux.Linux(machine, seconds_for(self.bench, 60))

    def close(self):
        """Back to the service VM."""
        self.bench.machine.send(b"\x18")
        check(self.bench.outer.answer(seconds_for(self.bench, 20))[0] == 0, "`pintle console` fails")


@contextlib.contextmanager
def at_console(bench, name):
    """In the block, a guest's console; somebody logs in unless that was done before. Gives its shell."""
    console = bench.consoles.setdefault(name, Console(bench, name))
    console.open()
    if console.shell is None:
        console.log_in()
    yield console.shell
    console.close()


def type_until(bench, text, pattern, seconds):
    """Type something again and again until the answer comes."""
    for _ in range(seconds // 5):
        bench.machine.send(text.encode())
        with contextlib.suppress(Failure):
            return bench.machine.wait_for(pattern, seconds_for(bench, 5))
    raise Failure(f"no {pattern!r} after {text!r}; {bench.machine.last_line()}")


def seconds_for(bench, seconds):
    """A limit that fits this machine."""
    return seconds * SLOW[bench.machine.setup.emulator]


def start(bench, native=False, **setup):
    """Switch a machine on with the image; its service VM obeys when this returns."""
    setup = {"cpus": 2, "memory": 2048, "network": True, **setup}
    arguments = linux.FAST if setup.get("emulator") == "bochs" else "mitigations=off"
    kernel, initrd = make()
    machine = bench.start(modules=((str(kernel), "kernel", f"console=tty0 {linux.CONSOLE} {arguments}"),
                                   (str(initrd), "initrd", "")), native=native, **setup)
    machine.command_seconds = lambda: 60 * SLOW[machine.setup.emulator]
    bench.on_kvm, bench.consoles = native, {}
    machine.wait_for(PROMPT, 2 * service.up_seconds(machine))
    machine.send(linux.LOOP.encode())
    bench.outer = linux.Linux(machine, seconds_for(bench, 20))
    return bench.outer


def counts(bench):
    """VMs, deposited pieces, shared pieces; nothing of that is there without Pintle."""
    if bench.on_kvm:
        return ()
    return tuple(map(int, bench.outer.run(f"cat {COUNTS}/vms {COUNTS}/pieces {COUNTS}/shared").split()))


def write_config(bench, name, *lines):
    """A guest like the demo guest, with these settings of its own; its disk is made."""
    place = f"/var/lib/pintle/{name}.img"
    text = "\\n".join([f"kernel = {DEMO}/vmlinuz", f"initrd = {DEMO}/initrd.img", f"disk = {place}", f"net = tap={name}",
                       f"cmdline = console=ttyS0 console=hvc0 quiet {guest_arguments(bench)}", "console = pty", *lines])
    bench.outer.run(f"{DEMO}/make-disk {place} && printf '{text}\\n' > /etc/pintle/{name}.conf", seconds_for(bench, 60))


def guest_arguments(bench):
    """What a guest's Linux is told in this emulator."""
    return linux.FAST if bench.machine.setup.emulator == "bochs" else "mitigations=off"


def start_guest(bench, name):
    """By the command; nothing is waited for but that it runs."""
    bench.consoles.pop(name, None)
    text = bench.outer.run(f"pintle start {name}")
    check(f"{name} runs" in text, f"`pintle start {name}` says {text.strip()!r}")


def state(bench, name):
    """What `pintle list` says of a guest."""
    lines = [line.split() for line in bench.outer.run("pintle list").splitlines()]
    return next(line[1] for line in lines if line[0] == name)


def refused(bench, command, status, *texts):
    """The command ends with this status and says these words."""
    code, text = bench.outer.try_run(f"{command} 2>&1")
    check(code == status, f"`{command}` gives status {code}: {text.strip()!r}")
    for wanted in texts:
        check(wanted in text, f"`{command}` says {text.strip()!r}, without {wanted!r}")
