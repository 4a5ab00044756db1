"""A client that waits in IDLE as Delta Chat does: raw lines over TLS."""
import re
import socket
import time

import mail


class Idler:
    def __init__(self, product, user, replica=0, timeout=30):
        raw = socket.create_connection(("127.0.0.1", product.port(2993, replica)), timeout)
        self.socket = mail.tls().wrap_socket(raw, server_hostname=product.domain)
        self.socket.settimeout(timeout)
        self.buffer, self.tag, self.uid_next = b"", 0, 1
        self.line()
        self.command(f'LOGIN "{user}" "{mail.PASSWORD}"')
        self.select()

    def line(self):
        while b"\r\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def literal(self, size):
        while len(self.buffer) < size:
            self.buffer += self.socket.recv(65536)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def send(self, text):
        self.tag += 1
        self.socket.sendall(f"A{self.tag:04} {text}\r\n".encode())
        return f"A{self.tag:04} ".encode()

    def finish(self, tag):
        """Untagged lines (with literals in them) until the tagged one, which must be OK."""
        lines = []
        while True:
            line = self.line()
            size = re.search(rb"\{(\d+)\}$", line)
            if size:
                line += b"\r\n" + self.literal(int(size[1])) + self.line()
            if line.startswith(tag):
                assert line.startswith(tag + b"OK"), line
                return lines
            lines.append(line)

    def command(self, text):
        return self.finish(self.send(text))

    def select(self):
        lines = self.command('SELECT "INBOX"')
        self.told = next(int(m[1]) for m in (re.search(rb"UIDNEXT (\d+)", x) for x in lines) if m)

    def fetch_new(self, fetched=lambda: None):
        """Prefetch, bodies, delete, CLOSE, SELECT: what Delta Chat does with each batch.
        fetched is called between the bodies and the deletion."""
        ids = []
        while True:
            lines = self.command(
                f"UID FETCH {self.uid_next}:{self.uid_next + 499} (UID RFC822.SIZE "
                "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM CONTENT-TYPE CHAT-VERSION)])")
            uids = [int(m[1]) for m in (re.search(rb"UID (\d+)", x) for x in lines) if m]
            if not uids:
                assert self.told <= self.uid_next, "UIDNEXT was shown before its message"
                return ids
            ids += [m[1].decode() for m in (re.search(rb"<([^>]+)@test>", x) for x in lines) if m]
            named = ",".join(map(str, uids))
            bodies = self.command(f"UID FETCH {named} (FLAGS BODY.PEEK[])")
            assert len([b for b in bodies if b"BEGIN PGP" in b]) == len(uids)
            self.uid_next = max(uids) + 1
            fetched()
            self.command(f"UID STORE {named} +FLAGS (\\Deleted)")
            self.command("CLOSE")
            self.select()
            if self.told <= self.uid_next:
                return ids

    def idle(self):
        self.idle_tag = self.send("IDLE")
        assert self.line().startswith(b"+")

    def wait_announcement(self, seconds):
        """Time [s] until `* n EXISTS` in IDLE."""
        begin = time.monotonic()
        self.socket.settimeout(seconds)
        while not self.line().endswith(b"EXISTS"):
            pass
        self.socket.settimeout(30)
        return time.monotonic() - begin

    def done(self):
        self.socket.sendall(b"DONE\r\n")
        self.finish(self.idle_tag)

    def close(self):
        self.socket.close()
