"""Milters judge messages and change them: Debian's opendkim, and one that a test plays itself."""
import hashlib
import os
import re
import shutil
import signal
import smtplib
import socket
import struct
import subprocess

import pytest

import mail
from beside import Beside, running
from fake_milter import CONTINUE, FakeMilter
from product import free_port, wait_for
from test_lmtp import answers
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

ACCEPTS_CLEAR = 1  # of an account's flags


@pytest.fixture(scope="module")
def milter():
    m = FakeMilter()
    yield m
    m.close()


@pytest.fixture(scope="module")
def asking(product, milter):
    with running(product, "smtp-ingress", milters=milter.address, milter_direction="both",
                 milter_seconds=5, milter_temporary="reject 451 4.7.9 the milter is odd",
                 milter_discard_action="reject 550 5.7.8 would vanish", max_recipients=3,
                 judge_threads=1, replace_sender="/.*@elsewhere\\.example/: never@elsewhere.example") as r:
        yield r


def incoming(r, user, text=None, sender=OUTSIDE):
    codes, said = transaction(foreign(r), sender, [user], text or mail.encrypted(OUTSIDE))
    return codes[-1], said


def submit(r, user, friend, text=None):
    codes, said = transaction(mail.smtp(r, user), user, [friend], text or mail.encrypted(user))
    return codes[-1], said


def stored(product, user, number=1):
    at = inbox(product, user)
    wait_for_messages(at, number)
    return at.fetch(str(number), "(RFC822)")[1][0][1]


def u32(n):
    return struct.pack("!I", n)


def test_what_a_milter_is_told(product, milter, asking):
    user = mail.new_account(product)
    milter.says()
    text = mail.encrypted(OUTSIDE, "told@test", size=200000)
    assert incoming(asking, user, text)[0] == 250
    head, body = text.encode().split(b"\r\n\r\n", 1)
    fields = [data for command, data in milter.told if command == b"L"]
    assert milter.commands() == "OCHMRT" + "L" * len(fields) + "N" + "B" * (len(body) // 65535 + 1) + "E"
    told = dict(milter.told)
    assert told[b"C"].startswith(b"[127.0.0.1]\x004") and told[b"C"].endswith(b"127.0.0.1\0")
    assert told[b"H"] == b"mx.elsewhere.example\0"
    assert told[b"M"] == f"<{OUTSIDE}>\0".encode() and told[b"R"] == f"<{user}>\0".encode()
    assert fields[0].startswith(b"Authentication-Results\0") and b"dkim=" in fields[0]
    assert fields[1] == f"From\0<{OUTSIDE}>\0".encode()
    assert b"Content-Type\0multipart/encrypted; protocol=\"application/pgp-encrypted\";\n boundary" in fields[-1]
    assert b"".join(data for command, data in milter.told if command == b"B") == body
    m = milter.macros
    assert m[b"C"][b"{client_addr}"] == b"127.0.0.1" and m[b"C"][b"{daemon_name}"] == b"smtp"
    assert m[b"H"][b"{tls_version}"] == b"TLSv1.3" and b"{auth_authen}" not in m[b"M"]
    assert asking.logged(f"smtp.accepted.*queue={m[b'E'][b'i'].decode()}")

    assert submit(asking, user, user)[0] == 250
    assert milter.macros[b"M"][b"{auth_authen}"] == user.encode()
    milter.says(steps=0xfffff & ~0x800)
    assert incoming(asking, user)[0] == 250
    assert milter.commands() == "OE"


CASES = [
    (dict(), 250, ""),
    ([(b"a", b"")], 250, ""),
    ([(b"p", b""), (b"p", b""), CONTINUE], 250, ""),
    ([(b"q", b"odd\0"), CONTINUE], 250, ""),
    ([(b"r", b"")], 550, "5.7.1 Message rejected due to a local policy"),
    ([(b"t", b"")], 451, "4.7.1 Try again later"),
    ([(b"d", b"")], 550, "5.7.8 would vanish"),
    ([(b"y", b"554 5.7.5 by the milter\0")], 554, "5.7.5 by the milter"),
    ([(b"y", b"452 full\0")], 452, "4.7.1 full"),
    (dict(at={b"C": (b"r", b"")}), 550, "5.7.1 "),
    (dict(at={b"M": (b"a", b"")}), 250, ""),
    (dict(at={b"R": (b"y", b"451 4.7.1 greylisted\0")}), 451, "4.7.1 greylisted"),
    (dict(at={b"B": (b"s", b"")}, steps=0x400), 250, ""),
    (dict(at={b"B": (b"s", b"")}), 451, "4.7.9 the milter is odd"),
    (dict(at={b"L": (b"h", b"X\0y\0")}), 451, "4.7.9 "),
    (dict(at={b"H": (b"z", b"")}), 451, "4.7.9 "),
    (dict(at={b"O": None}), 451, "4.7.9 "),
    (dict(at={b"E": None}), 451, "4.7.9 "),
    (dict(version=7), 451, "4.7.9 "),
    (dict(raw=b"\x7f\xff\xff\xff"), 451, "4.7.9 "),
    (dict(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n"), 451, "4.7.9 "),
    ([(b"y", b"250 2.0.0 ok\0")], 451, "4.7.9 "),
    ([(b"h", b"X-A\0two\r\nBcc: lines\0"), CONTINUE], 451, "4.7.9 "),
    ([(b"h", b"X-A\0" + b"y" * 70000 + b"\0")] * 4 + [CONTINUE], 451, "4.7.9 "),
    ([(b"b", b"bare\rCR"), CONTINUE], 451, "4.7.9 "),
]


def test_each_answer_has_its_reply(product, milter, asking):
    user = mail.new_account(product)
    client = foreign(asking)
    for says, code, text in CASES:
        milter.says(**says) if isinstance(says, dict) else milter.says(*says)
        codes, said = transaction(client, OUTSIDE, [user], mail.encrypted(OUTSIDE))
        assert (codes[-1], said[:len(text)]) == (code, text), says
    assert asking.metric('postbus_smtp_quarantined_total{check="milter"}') == 1
    assert asking.metric("postbus_smtp_waiting_messages") == 0
    milter.says((b"y", b"421 4.3.2 go away\0"))
    assert transaction(client, OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 421
    with pytest.raises(OSError):
        client.noop()


def test_headers_and_body_are_changed(product, milter, asking):
    user = mail.new_account(product)
    other = mail.encrypted(OUTSIDE, "other@test")
    head, body = other.split("\r\n\r\n", 1)
    kind = re.search(r"Content-Type: (.*\r\n .*)", head)[1]
    milter.says((b"h", b"X-Last\0a\n\tb\0"), (b"i", u32(0) + b"X-First\x001\0"),
                (b"m", u32(2) + b"X-Old\0new\0"), (b"m", u32(1) + b"X-Old\0\0"),
                (b"m", u32(1) + b"Content-Type\0" + kind.encode() + b"\0"),
                (b"b", body[:100].encode()), (b"b", body[100:].encode()), CONTINUE)
    assert incoming(asking, user, mail.encrypted(OUTSIDE, "was@test", extra="X-Old: 1\r\nX-old: 2\r\n"))[0] == 250
    got, was = stored(product, user).split(b"\r\n\r\n", 1)
    assert was.decode() == body
    assert got.split(b"\r\n")[1] == b"X-First: 1" and got.endswith(b"\r\nX-Last: a\r\n\tb")
    assert got.count(b"X-Old: new") == 1 and b"X-Old: 1" not in got and b"X-old" not in got
    assert b"Message-ID: <was@test>" in got and b"Authentication-Results" not in got


def test_what_it_changed_must_pass_again(product, milter, asking):
    user, friend = mail.new_account(product), mail.new_account(product)
    milter.says((b"b", b"in the clear\r\n"), CONTINUE)
    assert submit(asking, user, friend) == (523, "Encryption Needed: Invalid Unencrypted Mail")
    assert incoming(asking, user)[0] == 523
    milter.says((b"m", u32(1) + b"From\0<" + friend.encode() + b">\0"), CONTINUE)
    assert submit(asking, user, friend)[0] == 500
    assert incoming(asking, user)[0] == 554
    milter.says((b"b", b"x" * 60000 + b"\r\n"), CONTINUE)
    assert submit(asking, user, friend)[0] == 451  # no line is so long
    milter.says(*[(b"b", b"0123456789abcdef\r\n" * 3500)] * 600, CONTINUE)
    assert submit(asking, user, friend)[0] in (451, 552)
    milter.says()
    assert submit(asking, user, friend)[0] == 250
    wait_for_messages(inbox(product, friend), 1)


def test_the_hash_for_signing_is_that_of_the_new_body(product, milter, asking):
    user = mail.new_account(product)
    head, body = mail.encrypted(user, "signed@test").split("\r\n\r\n", 1)
    kind = re.search(r"Content-Type: (.*\r\n .*)", head)[1]
    milter.says((b"m", u32(1) + f"Content-Type\0{kind}\0".encode()), (b"b", body.encode()), CONTINUE)
    os.kill(product.pid("queue-worker"), signal.SIGSTOP)
    try:
        assert submit(asking, user, "someone@_away.example")[0] == 250
        # Nothing of it is left for other tests.
        digest = product.sql(f"DELETE FROM queue WHERE sender = '{user}' RETURNING envelope->>'body_hash'")
    finally:
        os.kill(product.pid("queue-worker"), signal.SIGCONT)
    assert digest == hashlib.sha256(body.encode()).hexdigest()


def test_it_can_only_narrow_the_envelope(product, milter, asking):
    user, friend, third = (mail.new_account(product) for _ in range(3))
    away = "someone@_away.example"
    milter.says((b"+", f"<{friend}>\0".encode()), (b"+", f"<{away}>\0".encode()), (b"-", f"<{user}>\0".encode()),
                (b"e", b"<>\0"), CONTINUE)
    assert incoming(asking, user)[0] == 250
    assert b"Return-Path: <>" in stored(product, friend)
    assert product.sql(f"SELECT count(*) FROM queue_remote WHERE rcpt::text LIKE '%{away}%'") == "0"

    # Its word is the last one, also where replace_sender has another address for the sender.
    milter.says((b"e", b"desk@elsewhere.example\0"), (b"h", b"X-A\0b\0"), CONTINUE)
    assert incoming(asking, friend, sender="list@elsewhere.example")[0] == 250
    assert b"Return-Path: <desk@elsewhere.example>" in stored(product, friend, 2)

    milter.says((b"e", f"<{third}>\0".encode()), (b"2", f"<{third}>\0NOTIFY=NEVER\0".encode()), CONTINUE)
    assert submit(asking, user, friend)[0] == 250
    assert f"Return-Path: <{user}>".encode() in stored(product, third)
    assert asking.logged("smtp.milter_refused.*wish=sender")
    assert asking.logged("smtp.milter_refused.*wish=recipient")
    milter.says((b"e", b"<>\0"), CONTINUE)
    assert incoming(asking, friend, sender="list@elsewhere.example")[0] == 250
    assert b"Return-Path: <>" in stored(product, friend, 4)
    milter.says(CONTINUE)
    assert incoming(asking, friend, sender="list@elsewhere.example")[0] == 250
    assert b"Return-Path: <never@elsewhere.example>" in stored(product, friend, 5)

    milter.says((b"-", f"<{user}>\0".encode()), CONTINUE)
    assert incoming(asking, user) == (550, "5.7.8 would vanish")
    wait_for_messages(inbox(product, user), 0)


def test_whom_it_adds_must_take_the_message(product, milter, asking):
    """The switches of those who were named at RCPT say nothing about others."""
    user, friend = mail.new_account(product), mail.new_account(product)
    product.sql(f"UPDATE account SET flags = flags | {ACCEPTS_CLEAR} WHERE addr = '{user}'")
    clear = f"From: <{OUTSIDE}>\r\n\r\nnot encrypted\r\n"
    add = b"+", f"<{friend}>\0".encode()
    milter.says(add, CONTINUE)
    assert incoming(asking, user, clear) == (523, "Encryption Needed: Invalid Unencrypted Mail")
    milter.says((b"+", f"<{user}>\0".encode()), CONTINUE)
    assert incoming(asking, user, clear)[0] == 250
    setup = (f"From: <{user}>\r\nSubject: Autocrypt Setup Message\r\n"
             "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n\r\n--x--\r\n")
    milter.says(add, CONTINUE)
    assert submit(asking, user, user, setup)[0] == 523
    milter.says()
    assert submit(asking, user, user, setup)[0] == 250
    wait_for_messages(inbox(product, user), 2)
    wait_for_messages(inbox(product, friend), 0)


def test_over_lmtp_recipients_stay(product, milter):
    users = [mail.new_account(product) for _ in range(2)]
    with running(product, "smtp-ingress", milters=milter.address, lmtp_port=(port := free_port()),
                 lmtp_networks="127.0.0.0/8") as r, smtplib.LMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo("mx.elsewhere.example")
        milter.says((b"+", f"<{mail.new_account(product)}>\0".encode()), (b"-", f"<{users[0]}>\0".encode()),
                    (b"h", b"X-By\0lmtp\0"), CONTINUE)
        assert answers(client, users, mail.encrypted(OUTSIDE)) == [250, 250]
        assert milter.commands().count("R") == 2
        for user in users:
            assert b"\r\nX-By: lmtp\r\n" in stored(product, user)
        assert r.logged("smtp.milter_refused.*wish=recipient") and r.logged("smtp.milter_refused.*wish=no_recipient")
        milter.says((b"y", b"451 4.7.1 later\0"))
        assert answers(client, users, mail.encrypted(OUTSIDE)) == [451, 451]


def test_several_and_a_socket(product, tmp_path, milter):
    """The second sees what the first has made of it; outgoing mail goes by."""
    second = FakeMilter(tmp_path / "m")
    user = mail.new_account(product)
    milter.says((b"h", b"X-One\x001\0"), CONTINUE)
    second.says((b"h", b"X-Two\x002\0"), CONTINUE)
    with running(product, "smtp-ingress", milters=f"{milter.address}, {second.address}",
                 milter_reject_action="quarantine", milter_discard_action="ignore") as r:
        assert incoming(r, user)[0] == 250
        assert (b"L", b"X-One\x001\0") in second.told
        got = stored(product, user)
        assert b"\r\nX-One: 1\r\nX-Two: 2\r\n\r\n" in got
        milter.says((b"r", b""))
        second.says((b"d", b""))
        assert incoming(r, user)[0] == 250
        assert r.metric('postbus_smtp_quarantined_total{check="milter"}') == 1
        second.says((b"-", f"<{user}>\0".encode()), CONTINUE)
        milter.says()
        assert incoming(r, user)[0] == 250  # a discard that is ignored takes nobody away
        milter.says((b"r", b""))
        assert submit(r, user, user)[0] == 250 and milter.told == []
        wait_for_messages(inbox(product, user), 3)
    second.close()


def test_what_was_found_out_on_the_way_is_said_once(product, milter):
    """A changed message is judged again, the way that it came is not."""
    milter.says((b"h", b"X-A\0b\0"), CONTINUE)
    with running(product, "smtp-ingress", milters=milter.address, require_tls="ignore") as r:
        client = smtplib.SMTP("127.0.0.1", r.port(2525), "mx.elsewhere.example", timeout=30)
        client.ehlo()
        text = mail.encrypted(OUTSIDE)
        assert transaction(client, OUTSIDE, [mail.new_account(product)], text)[0][-1] == 250
        assert r.logged("smtp.accepted.*x-tls=fail") and not r.logged("x-tls=fail.*x-tls=fail")


def test_one_that_is_away_or_slow(product, milter):
    user = mail.new_account(product)
    with running(product, "smtp-ingress", milters=f"inet:127.0.0.1:{free_port()} unix:/nowhere",
                 milter_temporary="ignore") as r:
        assert incoming(r, user)[0] == 250
    with running(product, "smtp-ingress", milters=f"inet:nowhere.invalid:{free_port()}") as r:
        assert incoming(r, user) == (451, "4.7.1 The message cannot be checked now, try again later")
    with running(product, "smtp-ingress", milters=milter.address, milter_seconds=1, judge_threads=1) as r:
        milter.says(hold=b"M")
        assert incoming(r, user)[0] == 451
        milter.says(hold=b"B")
        client = foreign(r)
        client.mail(OUTSIDE)
        client.rcpt(user)
        client.docmd("DATA")
        client.send(mail.encrypted(OUTSIDE, size=300000).encode() + b".\r\n")
        wait_for("it waits", lambda: "B" in milter.commands())
        client.close()
        wait_for("it waits no more", lambda: r.metric("postbus_smtp_waiting_messages") == 0)
        milter.says()
        assert incoming(r, user)[0] == 250
    wait_for_messages(inbox(product, user), 2)


def test_bad_addresses(product):
    for value in ("opendkim:8891", "inet:host", "unix:relative"):
        assert "milters" in Beside(product, "smtp-ingress", {"milters": value}).refuses_to_start()


@pytest.fixture
def opendkim(product, tmp_path):
    """Debian's, as a verifier without a name server."""
    port = free_port()
    (tmp_path / "conf").write_text(
        f"Socket inet:{port}@127.0.0.1\nMode v\nSyslog no\nBackground no\nAlwaysAddARHeader yes\n"
        f"AuthservID mx.test\nNameservers 127.0.0.1\nPidFile {tmp_path}/pid\nUserID root\n"
        "SoftwareHeader yes\nRequireSafeKeys no\n")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([shutil.which("opendkim", path="/usr/sbin:/usr/bin"), "-f", "-x",
                                    tmp_path / "conf"], stdout=log, stderr=log)
    try:
        wait_for("opendkim listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
        yield f"inet:127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        print((tmp_path / "log").read_text())


def test_the_real_one(product, opendkim):
    user = mail.new_account(product)
    with running(product, "smtp-ingress", milters=opendkim, milter_direction="both") as r:
        assert incoming(r, user)[0] == 250
        assert b"\r\nDKIM-Filter: OpenDKIM Filter" in stored(product, user)
        assert submit(r, user, user)[0] == 250
        assert not r.logged("smtp.milter_failed")
