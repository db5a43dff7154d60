# SPDX-License-Identifier: GPL-2.0-only
"""A small GDB remote client, to change what Pintle is given before it sees it.

GDB manual, appendix "Remote Serial Protocol"; register numbers are those of QEMU's x86-64 target.
"""

import socket
import struct
import time

CONNECT_SECONDS = 20
REPLY_SECONDS = 60
CHUNK = 1024  # bytes of memory in one packet: below the stub's packet limit

# The general registers come first in the `g` packet, eight bytes each, in this order.
REGISTERS = ("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip").split()


class GdbError(Exception):
    """The stub refused something or did not answer."""


class GdbStub:
    """A connection to a stub; use it in a `with` block, which ends by letting the machine run."""

    def __init__(self, path):
        self._socket = self._connect(str(path))
        self._input = b""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self._expect("D", "OK")
        self._socket.close()

    def wait_for_stop(self):
        """Wait for the word that the machine has stopped: a new connection stops a running one."""
        self._reply()

    def run_to(self, address):
        """Let the machine run to the instruction at the virtual address."""
        self._expect(f"Z1,{address:x},1", "OK")
        reply = self.request("c")
        if reply[:1] not in "ST":
            raise GdbError(f"the machine did not stop at {address:#x}: {reply}")
        if self.register("rip") != address:
            raise GdbError(f"stopped at {self.register('rip'):#x} instead of {address:#x}")
        self._expect(f"z1,{address:x},1", "OK")

    def register(self, name):
        """The value of a general register."""
        offset = REGISTERS.index(name) * 8
        return struct.unpack_from("<Q", self._registers(), offset)[0]

    def set_register(self, name, value):
        """Change a general register."""
        registers = bytearray(self._registers())
        struct.pack_into("<Q", registers, REGISTERS.index(name) * 8, value)
        self._expect("G" + registers.hex(), "OK")

    def read(self, address, size):
        """`size` bytes of memory at the virtual address."""
        data = b""
        while len(data) < size:
            chunk = min(CHUNK, size - len(data))
            reply = self.request(f"m{address + len(data):x},{chunk:x}")
            if reply[:1] == "E":
                raise GdbError(f"cannot read memory at {address + len(data):#x}")
            data += bytes.fromhex(reply)
        return data

    def write(self, address, data):
        """Change the memory at the virtual address."""
        for start in range(0, len(data), CHUNK):
            chunk = data[start:start + CHUNK]
            self._expect(f"M{address + start:x},{len(chunk):x}:{chunk.hex()}", "OK")

    def request(self, text):
        """Send one packet and return the answer's text."""
        checksum = sum(text.encode()) % 256
        self._socket.sendall(f"${text}#{checksum:02x}".encode())
        return self._reply()

    def _registers(self):
        reply = self.request("g")
        if reply[:1] == "E":
            raise GdbError("cannot read the registers")
        return bytes.fromhex(reply.replace("x", "0"))

    def _expect(self, request, answer):
        reply = self.request(request)
        if reply != answer:
            raise GdbError(f"the stub answered {reply!r} to {request[:40]!r}")

    def _reply(self):
        while True:
            start = self._input.find(b"$")
            end = self._input.find(b"#", start)
            if 0 <= start < end and len(self._input) >= end + 3:
                text = self._input[start + 1:end].decode()
                self._input = self._input[end + 3:]
                self._socket.sendall(b"+")  # got it; QEMU knows no mode without these
                return text
            data = self._socket.recv(65536)
            if not data:
                raise GdbError("the stub has gone")
            self._input += data

    @staticmethod
    def _connect(path):
        """The emulator needs a moment until its socket is there."""
        limit = time.monotonic() + CONNECT_SECONDS
        while True:
            stub = socket.socket(socket.AF_UNIX)
            stub.settimeout(REPLY_SECONDS)
            try:
                stub.connect(path)
                return stub
            except (FileNotFoundError, ConnectionRefusedError):
                stub.close()
                if time.monotonic() > limit:
                    raise
                time.sleep(0.05)
