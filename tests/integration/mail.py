"""Accounts, encrypted messages, SMTP and IMAP clients for tests."""
import base64
import email.utils
import imaplib
import os
import secrets
import select
import smtplib
import ssl
import string

PASSWORD = "correct-horse-9"


def tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def new_name(domain):
    local = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(9))
    return f"{local}@{domain}"


def packet(tag, body):
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def armored(size=300):
    """One PKESK and one SEIPD packet of random bytes, and something in the checksum's place."""
    data = packet(1, os.urandom(94)) + packet(18, b"\x01" + os.urandom(size))
    text = base64.b64encode(data).decode()
    lines = "\r\n".join(text[i:i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN PGP MESSAGE-----\r\n\r\n{lines}\r\n=twTO\r\n-----END PGP MESSAGE-----\r\n"


def encrypted(sender, message_id=None, size=300, extra="", subject="[...]"):
    message_id = message_id or f"{secrets.token_hex(12)}@localhost"
    boundary = secrets.token_hex(8)
    return (f"From: <{sender}>\r\nTo: \"hidden-recipients\": ;\r\nSubject: {subject}\r\n"
            f"Date: {email.utils.formatdate()}\r\nMessage-ID: <{message_id}>\r\n"
            f"Chat-Version: 1.0\r\nMIME-Version: 1.0\r\n{extra}"
            f"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n"
            f" boundary=\"{boundary}\"\r\n\r\n"
            f"--{boundary}\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
            f"--{boundary}\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n"
            f"{armored(size)}\r\n--{boundary}--\r\n")


def plain(user, password=PASSWORD):
    """SASL PLAIN."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def smtp(product, user, password=PASSWORD, replica=0):
    client = smtplib.SMTP_SSL("127.0.0.1", product.port(2465, replica), context=tls(), timeout=30)
    client.login(user, password)
    return client


def imap(product, user, password=PASSWORD, replica=0):
    client = imaplib.IMAP4_SSL("127.0.0.1", product.port(2993, replica), ssl_context=tls(),
                               timeout=30)
    client.login(user, password)
    return client


def new_account(product, replica=0):
    user = new_name(product.domain)
    imap(product, user, replica=replica).logout()
    return user


def message_ids(client):
    """Message-IDs in the selected mailbox, in order of UID."""
    kind, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    assert kind == "OK", data
    return [part[1].decode().split("<")[1].split(">")[0] for part in data
            if isinstance(part, tuple)]


class Pipeline:
    """Commands sent before the answers to those before them are read.

    One thread sends and reads: a TLS connection of Python's is not made for two at a time."""
    RECORD = 16384

    def __init__(self, client, commands):
        self.sock, self.unsent = client.sock, memoryview(commands)
        self.answers, self.lines = bytearray(), 0

    def send(self):
        """As much as the server takes now."""
        self.sock.setblocking(False)
        try:
            while self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent[:self.RECORD]):]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        self.sock.settimeout(30)

    def receive(self):
        """What the server has answered up to now."""
        self.sock.setblocking(False)
        try:
            while part := self.sock.recv(self.RECORD):
                self.answers += part
                self.lines += part.count(b"\n")
            raise EOFError(f"closed after {self.lines} lines")
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.sock.settimeout(30)

    def finish(self, lines):
        """Send the rest, and give the answers once they have so many lines."""
        while self.lines < lines:
            self.send()
            ready = select.select([self.sock], [self.sock] if self.unsent else [], [], 30)
            assert any(ready), f"nothing comes after {self.lines} lines"
            self.receive()
        return self.answers.splitlines()


def may_begin(r, user=None, password=PASSWORD):
    """Whether a first login makes an account; IMAP and SMTP must agree."""
    login = imap if r.service == "imap-gateway" else smtp
    try:
        login(r, user or new_name(r.domain), password)
        return True
    except (imaplib.IMAP4.error, smtplib.SMTPAuthenticationError):
        return False
