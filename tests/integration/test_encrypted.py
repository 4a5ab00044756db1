"""Messages with known verdicts, by the doors of a running server: tests/corpus."""
import re
import smtplib
import subprocess

import pytest

import mail
from beside import running
from product import ROOT
from test_smtp_rules import foreign, inbox, wait_for_messages

CORPUS = ROOT / "tests/corpus"
AUTHOR = b"alice@corpus.example"
CLEAR = (523, b"Encryption Needed: Invalid Unencrypted Mail")
# How many bytes at a time, so that what counts is cut everywhere.
PIECES = [61, 1000, 17, 4096, 64, 333, 29]


def corpus():
    """(name, message, verdict when submitted, verdict from another server)"""
    text = (CORPUS / "encrypted.txt").read_bytes()
    while text:
        line, text = text.split(b"\n", 1)
        if line.startswith(b"#"):
            continue
        _, name, outgoing, incoming, length, *_ = line.decode().split(" ")
        yield name, text[:int(length)], outgoing, incoming
        text = text[int(length) + 1:]


MESSAGES = list(corpus())


def say(client, sender, recipient, message, piece):
    """The reply to the end of DATA."""
    assert client.mail(sender)[0] == client.rcpt(recipient)[0] == 250
    assert client.docmd("DATA")[0] == 354
    data = re.sub(rb"(?m)^\.", b"..", message) + b".\r\n"
    for at in range(0, len(data), piece):
        client.sock.sendall(data[at:at + piece])
    return client.getreply()


class Door:
    """A connection, and another one before a server has heard too many errors."""

    def __init__(self, connect):
        self.connect, self.client, self.said = connect, None, 0

    def say(self, *message):
        if self.said % 15 == 0:
            if self.client is not None:
                self.client.close()
            self.client = self.connect()
        self.said += 1
        return say(self.client, *message)


def different(cases):
    """name: (reply, what it should have been)"""
    return {name: (reply, code) for name, reply, code in cases if reply[0] != code}


def test_the_corpus_is_what_its_table_says():
    subprocess.run([CORPUS / "make-encrypted", "--check"], check=True)
    assert len(MESSAGES) >= 120


def test_port_25_asks_for_encryption_before_a_signature(product):
    """None is signed: what is clear hears of that first, and nobody asks the DNS about it."""
    user = mail.new_account(product)
    door, got = Door(lambda: foreign(product)), []
    code_of = {"clear": 523, "malformed": 500}
    for i, (name, message, _, verdict) in enumerate(MESSAGES):
        reply = door.say("bob@corpus.example", user, message, PIECES[i % len(PIECES)])
        got.append((name, reply, code_of.get(verdict, 554)))
        assert reply[0] != 523 or reply == CLEAR
        assert reply[0] != 554 or reply[1].startswith(b"5.7.1 "), (name, reply)
    assert different(got) == {}


def test_port_25_takes_what_is_encrypted(product):
    """From a domain that need not sign."""
    user = mail.new_account(product)
    client, taken = foreign(product), 0
    for i, (name, message, _, verdict) in enumerate(MESSAGES):
        if verdict in ("clear", "malformed"):
            continue
        reply = say(client, "", user, message.replace(b"corpus.example>", b"_corpus.example>")
                    .replace(b"@corpus.example\r\n", b"@_corpus.example\r\n"), PIECES[-1 - i % len(PIECES)])
        assert reply[0] == 250, (name, reply)
        taken += 1
    assert taken > 60
    wait_for_messages(inbox(product, user), taken)


def test_an_account_may_submit_what_is_encrypted(product):
    user = mail.new_account(product)
    with running(product, "smtp-ingress", max_user_send_per_minute=1000000,
                 max_user_send_burst_size=1000000) as r:
        def connect():
            client = smtplib.SMTP("127.0.0.1", r.port(2587), timeout=30)
            client.starttls(context=mail.tls())
            client.login(user, mail.PASSWORD)
            return client

        door, got = Door(connect), []
        for i, (name, message, verdict, _) in enumerate(MESSAGES):
            reply = door.say(user, user, message.replace(AUTHOR, user.encode()), PIECES[i % len(PIECES)])
            is_own = AUTHOR in message.split(b"\r\n\r\n")[0] and verdict != "malformed"
            got.append((name, reply, 500 if not is_own else 523 if verdict == "clear" else 250))
            assert reply[0] != 523 or reply == CLEAR
        assert different(got) == {}
        taken = sum(reply[0] == 250 for _, reply, _ in got)
        assert taken > 60
    wait_for_messages(inbox(product, user), taken)


@pytest.mark.parametrize("name", ["armor-checksum-none-padded", "packet-literal-last", "mime-parts-three"])
def test_what_is_refused_is_not_stored(product, name):
    message = next(m for n, m, *_ in MESSAGES if n == name)
    user = mail.new_account(product)
    bodies = product.sql("SELECT count(*) FROM queue")
    for client, sender in ((foreign(product), ""), (mail.smtp(product, user), user)):
        assert say(client, sender, user, message.replace(AUTHOR, user.encode() if sender else AUTHOR), 100) == CLEAR
    assert product.sql("SELECT count(*) FROM queue") == bodies
