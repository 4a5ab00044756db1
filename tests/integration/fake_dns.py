"""A name server that a test plays itself: some names are answered, some only when it says so."""
import contextlib
import ipaddress
import socket
import struct
import threading

A, PTR, MX, TXT, AAAA = 1, 12, 15, 16, 28


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def question(packet):
    """Name in lower case, type, and where the question ends."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack_from("!H", packet, at + 1)[0], at + 5


def reverse(address, zone=None):
    """The name of an address in its reverse zone, or in another one."""
    name = ipaddress.ip_address(address).reverse_pointer
    return f"{name.rsplit('.', 2)[0]}.{zone}" if zone else name


class NameServer:
    """mx: domain to its MX host, "" for a null MX; txt: name to the text of its TXT record;
    addresses: name to its IPv4 or IPv6 address; names: address to the name of its PTR record.  Names
    that begin with held- wait for open_gate and have an MX then; those that begin with silent- are
    never answered, and those with fail- by an error, behind _dmarc. too."""

    def __init__(self, mx, txt, addresses, names):
        self.mx, self.txt, self.held, self.is_open = mx, txt, [], False
        self.asked = set()
        self.addresses = addresses
        self.names = {reverse(address): name for address, name in names.items()}
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def answer(self, packet, source):
        name, kind, end = question(packet)
        host = "mx.held.example" if name.startswith("held-") else self.mx.get(name)
        text = self.txt.get(name)
        address, pointer = self.addresses.get(name), self.names.get(name)
        data = None
        if host is not None and kind == MX:
            data = b"\0\0" + (wire(host) if host else b"\0")
        elif text is not None and kind == TXT:
            data = b"".join(bytes([len(part)]) + part.encode() for part in
                            (text[i:i + 255] for i in range(0, len(text), 255)))
        elif address is not None and kind == (AAAA if ":" in address else A):
            data = ipaddress.ip_address(address).packed
        elif pointer is not None and kind == PTR:
            data = wire(pointer)
        records = struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data if data else b""
        flags = (0x8182 if name.removeprefix("_dmarc.").startswith("fail-") else
                 0x8183 if host is text is address is pointer is None else 0x8180)
        head = packet[:2] + struct.pack("!HHHHH", flags, 1, bool(records), 0, 0)
        self.socket.sendto(head + packet[12:end] + records, source)

    def serve(self):
        while True:
            packet, source = self.socket.recvfrom(4096)
            if len(packet) < 17:
                return
            name, kind, _ = question(packet)
            self.asked.add((name, kind))
            with self.lock:
                if name.startswith("held-") and not self.is_open:
                    self.held.append((packet, source))
                elif not name.startswith("silent-"):
                    self.answer(packet, source)

    def open_gate(self):
        with self.lock:
            self.is_open = True
            for packet, source in self.held:
                self.answer(packet, source)
            self.held = []

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@contextlib.contextmanager
def name_server(txt=None, addresses=None, names=None, **mx):
    """Domains of MX records with _ for the dot, as Python wants it."""
    n = NameServer({name.replace("_", "."): host for name, host in mx.items()}, txt or {},
                   addresses or {}, names or {})
    try:
        yield n
    finally:
        n.close()
