"""A milter that a test plays itself, packet by packet (version 6 of the protocol)."""
import contextlib
import socket
import struct
import threading

CONTINUE = (b"c", b"")


def packet(command, data=b""):
    return struct.pack("!I", len(data) + 1) + command + data


class FakeMilter:
    """end: what it says to the end of the message, (command, data) each.  at: what it says to
    other commands instead of going on.  raw: bytes that it says first.  steps: what it does not want
    to hear.  told: what it was told, without macros; macros: by command."""

    def __init__(self, path=None):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(str(path) if path else ("127.0.0.1", 0))
        self.listener.listen(64)
        self.address = f"unix:{path}" if path else "inet:localhost:%d" % self.listener.getsockname()[1]
        self.gate = threading.Event()
        self.says()
        threading.Thread(target=self.serve, daemon=True).start()

    def says(self, *end, at=None, raw=None, steps=0, version=6, hold=None):
        self.end, self.at, self.raw = end or (CONTINUE,), at or {}, raw
        self.steps, self.version, self.hold = steps, version, hold
        self.told, self.macros = [], {}
        self.gate.clear()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def answer(self, client, command, data):
        if command == b"D":
            words = data[1:].split(b"\0")
            self.macros.setdefault(data[:1], {}).update(zip(words[::2], words[1::2]))
            return
        self.told.append((command, data))
        if command == self.hold:
            self.gate.wait(60)
        if command == b"O":
            said = [(b"O", struct.pack("!III", self.version, 0x1ff, self.steps))]
        elif command == b"E":
            said = self.end
        else:
            said = [self.at.get(command, CONTINUE)]
        for one in said:
            client.sendall(packet(*one))

    def talk(self, client):
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rb") as file:
            if self.raw is not None:
                client.sendall(self.raw)
            while head := file.read(4):
                whole = file.read(struct.unpack("!I", head)[0])
                if whole[:1] == b"Q":
                    return
                if (command := whole[:1]) in self.at and self.at[command] is None:
                    return
                self.answer(client, command, whole[1:])

    def commands(self):
        return b"".join(command for command, _ in self.told).decode()

    def close(self):
        self.gate.set()
        self.listener.close()
