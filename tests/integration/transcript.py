#!/usr/bin/env python3
"""Runs protocol transcripts against a server.

usage: transcript.py [--host H] [--offset N] [--domain D] [--ports NAME=PORT,...] PATH ...

PATH is a transcript or a folder of them.  Each is run with an account of its own.

    @ port=imaps tls=implicit login=yes    first line: which port, implicit|starttls|none,
                                           and whether to log in first (greeting included)
    # comment
    C: line that is sent                   C2: and S2: are a second connection, opened when
    S: line that must come next            first used; C+: sends without an end of line
    S~ skip lines until this one
    @ starttls                             begins TLS on the connection
    @ wait-close                           the server must close the connection now
    @ within 0.2                           the next line must come within so many seconds

In S lines an ellipsis stands for any text.  $USER, $PASSWORD, $DOMAIN, $PLAIN (SASL PLAIN,
base64), $USER64 and $PASSWORD64 are replaced in both; $OTHER is one more account, made
before a transcript that mentions it.
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


class Runner:
    def __init__(self, arguments, path):
        self.arguments, self.path = arguments, path
        letters = string.ascii_lowercase + string.digits
        name, other = ("".join(random.choices(letters, k=9)) + "@" + arguments.domain
                       for _ in range(2))
        password = "".join(random.choices(letters, k=20))
        plain = self.plain(name, password)
        self.words = {"$USER64": base64.b64encode(name.encode()).decode(),
                      "$PASSWORD64": base64.b64encode(password.encode()).decode(),
                      "$USER": name, "$PASSWORD": password, "$PLAIN": plain,
                      "$DOMAIN": arguments.domain, "$OTHER": other}
        self.header = {"port": "imaps", "tls": "implicit", "login": "yes"}
        self.connections = {}
        self.within = DEADLINE_S

    @staticmethod
    def plain(name, password):
        return base64.b64encode(f"\0{name}\0{password}".encode()).decode()

    def make_other(self):
        c = Connection(self.arguments.host, self.arguments.ports["submissions"], True)
        plain = self.plain(self.words["$OTHER"], self.words["$PASSWORD"])
        c.send(f"EHLO x\r\nAUTH PLAIN {plain}\r\n")
        while not (line := c.line()).startswith("235 "):
            if line.startswith(("4", "5")):
                raise Mismatch(f"no account for $OTHER: {line}")
        c.close()

    def replace(self, text):
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text

    def connection(self, which):
        if which not in self.connections:
            port = self.arguments.ports[self.header["port"]]
            c = Connection(self.arguments.host, port, self.header["tls"] == "implicit")
            self.connections[which] = c
            if self.header["login"] == "yes":
                self.log_in(c)
        return self.connections[which]

    def log_in(self, c):
        imap = self.header["port"].startswith("imap")
        c.line()
        if self.header["tls"] == "starttls":
            c.send("L0 STARTTLS\r\n" if imap else "EHLO x\r\nSTARTTLS\r\n")
            while not c.line().startswith(("L0 OK", "220 ")):
                pass
            c.start_tls()
        if imap:
            c.send(self.replace('L1 LOGIN "$USER" "$PASSWORD"\r\n'))
            wanted = "L1 OK"
        else:
            c.send(self.replace("EHLO [127.0.0.1]\r\nAUTH PLAIN $PLAIN\r\n"))
            wanted = "235 "
        while not (line := c.line()).startswith(wanted):
            if line.startswith(("L1 ", "5", "4")):
                raise Mismatch(f"no login: {line}")

    def expect(self, c, text, skip):
        pattern = ".*".join(re.escape(part) for part in self.replace(text).split("…"))
        while True:
            line = c.line(self.within)
            if re.fullmatch(pattern, line, re.S):
                self.within = DEADLINE_S
                return
            if not skip:
                raise Mismatch(f"wanted {self.replace(text)!r}\n     got    {line!r}")

    def directive(self, words):
        if words[0] == "starttls":
            self.connection("").start_tls()
        elif words[0] == "within":
            self.within = float(words[1])
        elif words[0] == "wait-close":
            try:
                line = self.connection("").line()
            except EOFError:
                return
            raise Mismatch(f"wanted the end, got {line!r}")
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
            end = "" if m[3] == "+:" else "\r\n"
            self.connection(m[2]).send(self.replace(m[4]) + end)
        else:
            self.expect(self.connection(m[2]), m[4], m[3] == "~")

    def run(self):
        text = self.path.read_text(encoding="utf-8")
        try:
            if "$OTHER" in text:
                self.make_other()
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
    failures = [f for p in transcripts(arguments.paths) if (f := Runner(arguments, p).run())]
    return failures


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
