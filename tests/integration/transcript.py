#!/usr/bin/env python3
"""Runs protocol transcripts against a server.

usage: transcript.py [--host H] [--offset N] [--domain D] [--ports NAME=PORT,...] PATH ...

PATH is a transcript or a folder of them.  Each is run with an account of its own.

    @ port=imaps tls=implicit login=yes    first line: which port, implicit|starttls|none,
                                           and whether to log in first (greeting included);
                                           with starttls the rest begins under TLS
    # comment
    C: line that is sent                   C2: and S2: are a second connection, opened when
    S: line that must come next            first used; C+: sends without an end of line,
                                           \\r and \\n in it are CR and LF
    S~ skip lines until this one
    @ starttls                             begins TLS on the connection
    S: <end>                               the server must close the connection now
    @ wait-close                           the same
    @ within 0.2                           the next line must come within so many seconds

In S lines an ellipsis stands for any text.  $USER, $PASSWORD, $DOMAIN, $PLAIN (SASL PLAIN,
base64), $USER64 and $PASSWORD64 are replaced in both; $OTHER is a second account that
exists.
"""
import argparse
import base64
import pathlib
import random
import re
import socket
import ssl
import string
import sys
import time

PORTS = {"smtp": 2525, "submission": 2587, "submissions": 2465, "lmtp": 2424, "imap": 2143,
         "imaps": 2993}
DEADLINE_S = 20


class Mismatch(Exception):
    """What came is not what the transcript says."""


class Connection:
    def __init__(self, host, port, implicit):
        self.socket = socket.create_connection((host, port), timeout=DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if implicit:
            self.start_tls()

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def send(self, text):
        self.socket.sendall(text.encode("utf-8", "surrogateescape"))

    def line(self, seconds=DEADLINE_S):
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            self.socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                piece = self.socket.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError):
                raise Mismatch(f"nothing came within {seconds} s") from None
            except (ConnectionError, ssl.SSLError):
                piece = b""
            if not piece:
                raise EOFError("the server closed the connection")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def close(self):
        self.socket.close()


def random_text(length):
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=length))


def random_name(domain):
    return f"{random_text(9)}@{domain}"


class Runner:
    def __init__(self, arguments, path):
        self.arguments, self.path = arguments, path
        name, password = random_name(arguments.domain), random_text(20)
        plain = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self.words = {"$USER64": base64.b64encode(name.encode()).decode(),
                      "$PASSWORD64": base64.b64encode(password.encode()).decode(),
                      "$USER": name, "$PASSWORD": password, "$PLAIN": plain,
                      "$DOMAIN": arguments.domain}
        self.header = {"port": "imaps", "tls": "implicit", "login": "yes"}
        self.connections = {}
        self.within = DEADLINE_S

    def replace(self, text):
        if "$OTHER" in text and "$OTHER" not in self.words:
            self.words["$OTHER"] = self.other()
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text

    def other(self):
        """A second account: its first login makes it."""
        name = random_name(self.arguments.domain)
        c = Connection(self.arguments.host, self.arguments.ports["imaps"], True)
        c.line()
        self.ask(c, f'L1 LOGIN "{name}" "{random_text(20)}"', "L1 OK")
        c.close()
        return name

    def connection(self, which):
        if which not in self.connections:
            port = self.arguments.ports[self.header["port"]]
            c = Connection(self.arguments.host, port, self.header["tls"] == "implicit")
            self.connections[which] = c
            if self.header["tls"] == "starttls":
                self.secure(c)
            if self.header["login"] == "yes":
                self.log_in(c)
        return self.connections[which]

    def ask(self, c, text, wanted):
        """Nothing is pipelined here: whether that is allowed, a transcript shows."""
        c.send(self.replace(text) + "\r\n")
        while not (line := c.line()).startswith(wanted):
            if re.match(r"L\d (NO|BAD)|[45]\d\d ", line):
                raise Mismatch(f"{text}: {line}")

    def secure(self, c):
        c.line()
        if self.header["port"] == "imap":
            self.ask(c, "L0 STARTTLS", "L0 OK")
        else:
            self.ask(c, "EHLO [127.0.0.1]", "250 ")
            self.ask(c, "STARTTLS", "220 ")
        c.start_tls()

    def log_in(self, c):
        if self.header["tls"] != "starttls":
            c.line()
        if self.header["port"].startswith("imap"):
            self.ask(c, 'L1 LOGIN "$USER" "$PASSWORD"', "L1 OK")
        else:
            self.ask(c, "EHLO [127.0.0.1]", "250 ")
            self.ask(c, "AUTH PLAIN $PLAIN", "235 ")

    def expect(self, c, text, skip):
        pattern = ".*".join(re.escape(part) for part in self.replace(text).split("…"))
        while True:
            line = c.line(self.within)
            if re.fullmatch(pattern, line, re.S):
                self.within = DEADLINE_S
                return
            if not skip:
                raise Mismatch(f"wanted {self.replace(text)!r}\n     got    {line!r}")

    def expect_end(self, c):
        try:
            line = c.line()
        except EOFError:
            return
        raise Mismatch(f"wanted the end, got {line!r}")

    def directive(self, words):
        if words[0] == "starttls":
            self.connection("").start_tls()
        elif words[0] == "within":
            self.within = float(words[1])
        elif words[0] == "wait-close":
            self.expect_end(self.connection(""))
        else:
            for word in words:
                key, value = word.split("=")
                if key not in self.header:
                    raise Mismatch(f"unknown directive {word}")
                self.header[key] = value

    def step(self, line):
        m = re.fullmatch(r"([CS])(\d?)(:|~|\+:) ?(.*)", line, re.S)
        if line.startswith("@"):
            self.directive(line[1:].split())
        elif m is None:
            raise Mismatch("neither C:, S:, @ nor a comment")
        elif m[1] == "C":
            text = self.replace(m[4])
            raw = m[3] == "+:"
            text = text.replace("\\r", "\r").replace("\\n", "\n") if raw else text + "\r\n"
            self.connection(m[2]).send(text)
        elif m[4] == "<end>":
            self.expect_end(self.connection(m[2]))
        else:
            self.expect(self.connection(m[2]), m[4], m[3] == "~")

    def run(self):
        text = self.path.read_text(encoding="utf-8")
        try:
            for number, line in enumerate(text.split("\n"), 1):
                if not line.strip() or line.startswith("#"):
                    continue
                try:
                    self.step(line)
                except (Mismatch, EOFError, OSError) as e:
                    return f"{self.path}:{number}: {line}\n     {e}"
        finally:
            for c in self.connections.values():
                c.close()
        return None


def transcripts(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.rglob("*.txt")) if path.is_dir() else [path]


def run_all(arguments):
    return [f for p in transcripts(arguments.paths) if (f := Runner(arguments, p).run())]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--domain", default="_test.localhost")
    parser.add_argument("--ports", default="")
    parser.add_argument("paths", nargs="+")
    arguments = parser.parse_args()
    ports = {name: port + arguments.offset for name, port in PORTS.items()}
    ports.update((p.split("=")[0], int(p.split("=")[1]))
                 for p in arguments.ports.split(",") if p)
    arguments.ports = ports
    count = len(list(transcripts(arguments.paths)))
    failures = run_all(arguments)
    for failure in failures:
        print("FAILED", failure)
    print(f"{count - len(failures)} of {count} transcripts passed")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main())
