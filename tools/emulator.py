# SPDX-License-Identifier: GPL-2.0-only
"""Start a machine in QEMU or Bochs: the one place that knows their command lines.

Used by tools/run.py and tests/system. Both emulators look alike from outside: one file descriptor
that is the serial line, one process group, one private folder; all three go when the machine goes.
"""

import atexit
import dataclasses
import json
import os
import pathlib
import pty
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import tty
import typing

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
OVMF_WHOLE = "/usr/share/ovmf/OVMF.fd"  # code and variables in one image: what Bochs can take
BOCHS_BIOS = "/usr/share/bochs/BIOS-bochs-latest"
BOCHS_VGA = "/usr/share/bochs/VGABIOS-lgpl-latest"

# An AMD CPU with SVM. TCG warns of each of the model's other features that it lacks.
TCG_CPU = "EPYC,+svm,+npt"
TCG_WARNING = "TCG doesn't support requested feature"
BOCHS_CPU = "corei7_haswell_4770"

DISKS = {  # with Setup.devices: Linux' name of each disk, and QEMU's device or Bochs's place for it
    "qemu": {"sda": "ide-hd,bus=ide.0", "nvme0n1": "nvme,serial=1", "vda": "virtio-blk-pci"},
    "bochs": {"sda": "ata0-slave"}}
DATA_BYTES = 4160 * 16 * 63 * 512  # about 2 GiB, of which holes take no room
DISK_BYTES = 130 * 16 * 63 * 512  # whole cylinders, which Bochs wants; about 64 MiB

POLL_SECONDS = 0.2  # how often a silent machine is checked for having ended

# Bochs does not leave a guest that was entered with interrupts off for an interrupt: the UART is not read before the
# guest's slice is over, and what comes after the 16 bytes of its FIFO is lost.
BOCHS_BYTES, BOCHS_SECONDS = 8, 0.1


class EmulatorError(Exception):
    """The emulator cannot do what was asked, or has ended unexpectedly."""


def make_data_disk(path):
    """An empty disk, of which the service VM knows by its label what it is for."""
    try:
        with open(path, "xb") as file:
            file.truncate(DATA_BYTES)
    except OSError as error:
        raise EmulatorError(f"cannot make {path}: {error.strerror}") from error
    done = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "PINTLE-DATA", path], check=False)
    if done.returncode != 0:
        path.unlink()
        raise EmulatorError(f"mke2fs cannot make a file system on {path}")


@dataclasses.dataclass(frozen=True)
class Setup:
    """One machine. Everything but the ISO has the default of `make run`."""

    iso: pathlib.Path
    emulator: str = "qemu"  # qemu | bochs
    firmware: str = "bios"  # bios | uefi
    cpus: int = 2
    memory: int = 512  # MiB
    accel: str = "tcg"  # tcg | kvm, QEMU only
    com: int = 1  # the COM port at the other end of our line; 0: the machine has none
    gdb: bool = False  # QEMU only: a GDB stub, and the machine waits for it before its first step
    vms: bool = False  # it runs virtual machines (see _one_core)
    network: bool = False  # a network card, with the host's network behind it
    devices: bool = False  # that, and empty disks of each kind that the emulator knows
    data: typing.Optional[pathlib.Path] = None  # one disk, not together with those
    extra: tuple = ()  # further QEMU arguments or bochsrc lines


def kvm_possible():
    """True where the host's CPU offers hardware virtualisation."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return "vmx" in flags or "svm" in flags


class Emulator:
    """A running machine; use it in a `with` block."""

    def __init__(self, setup):
        self.setup = setup
        self.process = None
        self.command = []
        self.serial = -1
        self.folder = None
        self.core = None  # the CPU of ours that it keeps to
        self._files = []  # descriptors to close at the end
        self._passed = []  # of them, the ones that are the child's
        self._line_closed = False
        self._next_write = 0  # when the line takes more
        self._qmp = None
        self._qmp_count = 0  # commands so far: the identity of each

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Start the emulator; whatever fails, nothing of it is left behind."""
        with _lock:
            if _ending:
                raise EmulatorError("no new machine: the run is being ended")
            _live.add(self)
        try:
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pintle-"))
            prepare = {"qemu": self._prepare_qemu, "bochs": self._prepare_bochs}
            self.command = prepare[self.setup.emulator]()
            with open(self.folder / "output.txt", "wb") as output:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    pass_fds=self._passed, start_new_session=True, cwd=self.folder,
                    env={**os.environ, "TERM": "vt100"})
            for descriptor in self._passed:  # so that the child's end is seen as that of the line
                self._files.remove(descriptor)
                os.close(descriptor)
            # gdb itself tries only once.
            while self.setup.gdb and not self.gdb_path().exists() and not self.ended():
                time.sleep(POLL_SECONDS / 10)
            if _ending:  # decided after the look above, when there was no process to kill yet
                self.kill()
        except BaseException:
            self.stop()
            raise

    def kill(self):
        """End the emulator if it still runs; another thread may be using the machine."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self):
        """End the emulator, if it still runs, and remove every trace of it. May be called twice."""
        with _lock:
            _live.discard(self)
        self.kill()
        if self.process is not None:
            self.process.wait()
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        for descriptor in self._files:
            os.close(descriptor)
        self._files = []
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def ended(self):
        """True when the emulator has ended by itself."""
        return self.process.poll() is not None

    def wait(self, seconds):
        """Wait for the emulator to end by itself; True when it did."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def powered_off(self):
        """True when the emulator ended because the machine switched itself off."""
        if not self.ended():
            return False
        if self.setup.emulator == "qemu":
            return self.process.returncode == 0
        # Bochs ends with status 1 whatever the cause; its log tells which.
        return "soft power off" in self._read_text("bochs.log")

    def exchange(self, outgoing, seconds, also=()):
        """Wait up to `seconds` until something happens on the line or on the descriptors `also`.

        Sends what the line takes of the bytearray `outgoing` and removes it there. Returns the
        bytes that came in and those of `also` that are readable. Both directions in one call,
        because a machine that echoes would otherwise lock up with us.
        """
        line = [] if self.serial < 0 or self._line_closed else [self.serial]
        wait = self._next_write - time.monotonic()
        seconds = min(seconds, POLL_SECONDS, wait if outgoing and wait > 0 else POLL_SECONDS)
        readable, writable, _ = select.select(
            [*line, *also], line if outgoing and wait <= 0 else [], [], max(seconds, 0))
        received = self._read_line() if self.serial in readable else b""
        if self.serial in writable:
            self._write_line(outgoing)
        return received, [file for file in readable if file != self.serial]

    def qmp(self, command, **arguments):
        """Run one QMP command of QEMU and return its answer."""
        if self._qmp is None:
            raise EmulatorError("only QEMU has QMP")
        self._qmp_count += 1
        request = {"execute": command, "arguments": arguments, "id": self._qmp_count}
        self._qmp.write(json.dumps(request).encode() + b"\n")
        self._qmp.flush()
        while True:
            line = self._qmp.readline()
            if not line:
                raise EmulatorError(f"QEMU ended during QMP command {command}")
            answer = json.loads(line)
            if answer.get("id") != self._qmp_count:
                continue  # the greeting, an event, or the answer to what was sent at the start
            if "error" in answer:
                raise EmulatorError(f"QMP command {command}: {answer['error']['desc']}")
            return answer["return"]

    def gdb_path(self):
        """The unix socket of the GDB stub."""
        return self.folder / "gdb.sock"

    def describe(self):
        """The command line, and for Bochs its configuration, as text for people."""
        text = shlex.join(self.command)
        if self.setup.emulator == "bochs":
            text += "\n" + self._read_text("bochsrc")
        return text

    def output(self):
        """What the emulator itself had to say, to explain a failure."""
        lines = (self._read_text("output.txt") + self._read_text("bochs.log")).splitlines()
        return "\n".join(line for line in lines if TCG_WARNING not in line)

    def _read_text(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _read_line(self):
        try:
            data = os.read(self.serial, 65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self._line_closed = not data
        return data

    def _write_line(self, outgoing):
        slow = self.setup.emulator == "bochs" and self.setup.vms
        if slow:
            self._next_write = time.monotonic() + BOCHS_SECONDS
        try:
            del outgoing[:os.write(self.serial, outgoing[:BOCHS_BYTES if slow else 4096])]
        except BlockingIOError:
            pass
        except OSError:  # the machine has gone: nobody will read it
            outgoing.clear()

    def _socket_pair(self):
        """A connection to the child: our end, and the number of the child's."""
        ours, theirs = socket.socketpair()
        descriptors = ours.detach(), theirs.detach()
        self._files += descriptors
        self._passed.append(descriptors[1])
        return descriptors

    def _prepare_qemu(self):
        setup = self.setup
        arguments = [
            "qemu-system-x86_64", "-M", "q35", "-accel", setup.accel,
            "-cpu", "host" if setup.accel == "kvm" else TCG_CPU,
            "-smp", str(setup.cpus), "-m", str(setup.memory),
            "-display", "none", "-nic", "none", "-cdrom", str(setup.iso)]
        if setup.firmware == "uefi":
            variables = self.folder / "vars.fd"
            shutil.copyfile(OVMF_VARS, variables)
            arguments += [
                "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}",
                "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
        arguments += self._qemu_lines()
        if setup.devices or setup.network:
            arguments += ["-netdev", "user,id=net", "-device", "e1000e,netdev=net"]
        for name, path in self._disks():
            arguments += ["-drive", f"if=none,id={name},format=raw,file={path}",
                          "-device", f"{DISKS['qemu'][name]},drive={name}"]
        if setup.gdb:
            arguments += ["-S", "-gdb", f"unix:{self.gdb_path()},server=on,wait=off"]
        return [*self._one_core(), *arguments, *setup.extra]

    def _one_core(self):
        """What keeps all threads of QEMU on one CPU of ours, when its AMD-V is to be relied on.

        In QEMU 7.2 every CPU that restores FPU state rewrites flags of CPU 0 without a lock
        (cpu_clear_ignne), and so undoes a VMRUN or #VMEXIT of CPU 0 that is under way: the machine
        resets, or a guest's registers become the host's. On one CPU no two threads do so at once.
        """
        if not self.setup.vms or self.setup.accel != "tcg" or self.setup.cpus == 1:
            return []
        with _lock:
            taken = [machine.core for machine in _live if machine is not self]
            self.core = min(sorted(os.sched_getaffinity(0)), key=taken.count)
        return ["taskset", "--cpu-list", str(self.core)]

    def _qemu_lines(self):
        """The arguments for the serial line and the QMP connection."""
        ours, theirs = self._socket_pair()
        self._qmp = open(os.dup(ours), "r+b", buffering=0)
        arguments = ["-chardev", f"socket,id=qmp,fd={theirs}", "-mon", "chardev=qmp,mode=control"]
        self._qmp.write(b'{"execute": "qmp_capabilities"}\n')
        absent = ["-serial", "none"]
        if self.setup.com == 0:
            return arguments + absent
        self.serial, theirs = self._socket_pair()
        os.set_blocking(self.serial, False)
        return [*arguments, *absent * (self.setup.com - 1),
                "-chardev", f"socket,id=line,fd={theirs}", "-serial", "chardev:line"]

    def _prepare_bochs(self):
        setup = self.setup
        if setup.accel == "kvm" or setup.gdb:
            raise EmulatorError("Bochs has neither KVM nor a GDB stub")
        (self.folder / "bochsrc").write_text("\n".join(self._bochs_lines()) + "\n")
        # Debian's Bochs stops in its debugger at the start, and again at some resets.
        (self.folder / "debugger").write_text("c\n" * 100)
        return ["bochs", "-q", "-f", "bochsrc", "-rc", "debugger"]

    def _bochs_lines(self):
        setup = self.setup
        rom = OVMF_WHOLE if setup.firmware == "uefi" else BOCHS_BIOS
        return [
            "config_interface: textconfig",
            "display_library: term",  # with its output in a file: the one without screen or client
            f"romimage: file={rom}",
            f"vgaromimage: file={BOCHS_VGA}",
            f"cpu: model={BOCHS_CPU}, count={setup.cpus}, ips=100000000, reset_on_triple_fault=1",
            f"memory: guest={setup.memory}, host={setup.memory}",
            "clock: sync=none, time0=1577836800",  # a fixed date: runs then repeat exactly
            f"ata0-master: type=cdrom, path={setup.iso}, status=inserted",
            "boot: cdrom",
            *self._bochs_com_lines(),
            *self._bochs_device_lines(),
            "log: bochs.log",
            "panic: action=fatal",
            "error: action=report",
            "info: action=report",
            "debug: action=ignore",
            *setup.extra]

    def _bochs_device_lines(self):
        disks = [f"{DISKS['bochs'][name]}: type=disk, path={path}, mode=flat"
                 for name, path in self._disks()]
        if not self.setup.devices and not self.setup.network:
            return disks
        return [*disks, "plugin_ctrl: e1000=1", "pci: enabled=1, chipset=i440fx, slot1=e1000",
                "e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script=''"]

    def _disks(self):
        """The disks of this machine: (name, path) of each."""
        if self.setup.data is not None:
            link = self.folder / "data.img"  # as Bochs leaves a lock beside it when it is killed
            link.symlink_to(self.setup.data.resolve())
            yield "sda", link
        for name in DISKS[self.setup.emulator] if self.setup.devices else ():
            path = self.folder / f"{name}.img"
            with open(path, "wb") as file:
                file.truncate(DISK_BYTES)
            yield name, path

    def _bochs_com_lines(self):
        if self.setup.com == 0:
            return ["com1: enabled=0"]
        self.serial, line = pty.openpty()
        self._files += [self.serial, line]
        tty.setraw(line)
        os.set_blocking(self.serial, False)
        lines = [f"com{self.setup.com}: enabled=1, mode=term, dev={os.ttyname(line)}"]
        return lines if self.setup.com == 1 else ["com1: enabled=0", *lines]


_lock = threading.Lock()
_live = set()  # [guarded by _lock] machines that must not outlive this process
_ending = False  # [written under _lock] no machine may start any more


def stop_all():
    """End every machine of this process, and let no new one start; their users clean up."""
    global _ending
    with _lock:
        _ending = True
        machines = list(_live)
    for machine in machines:
        machine.kill()


def end_on_signals():
    """Let a signal that ends this process run its clean-up too. For main programs."""
    def leave(number, _):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


atexit.register(stop_all)
