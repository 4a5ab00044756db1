"""Mail from other chatmail servers over HTTPS: POST /mxdeliv."""
import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess

import mail
from beside import running
from fake_dns import name_server
from product import wait_for, free_port
from test_judging import WAITING, descriptors  # noqa: F401
from test_smtp_rules import foreign, inbox, wait_for_messages

OUTSIDE = "someone@_elsewhere.example"  # such domains need no signature
TLS = mail.tls()  # a thousand times the authorities of this machine take a while


def curl(r, user=(), sender=OUTSIDE, body=b"", words=(), path="/mxdeliv", method="POST"):
    """(status, body) of one request by curl."""
    headers = [f"X-MAIL-FROM: {sender}"] if sender is not None else []
    headers += [f"X-MAIL-TO: {u}" if u else "X-MAIL-TO;" for u in ([user] if isinstance(user, str) else user)]
    done = subprocess.run(
        ["curl", "-sk", "--max-time", "60", "-X", method, "-w", "\n%{http_code}",
         *(w for h in headers for w in ("-H", h)), "-H", "Content-Type: message/rfc822",
         "--data-binary", "@-", *words, f"https://127.0.0.1:{r.port(8443)}{path}"],
        input=body if isinstance(body, bytes) else body.encode(), capture_output=True, timeout=90)
    text, _, code = done.stdout.decode(errors="replace").rpartition("\n")
    return int(code), text.strip()


def through_port_25(product, sender, recipients, text):
    """The first refusal of port 25 for the same message."""
    client = foreign(product)
    steps = [lambda: client.mail(sender), *(lambda r=r: client.rcpt(r) for r in recipients),
             lambda: client.data(text)]
    replies = (step() for step in steps)
    code, said = next(reply for reply in replies if reply[0] >= 400)
    client.close()
    return f"{code} {said.decode()}"


class Upload:
    """A request whose body comes in pieces, by hand."""

    def __init__(self, r, user, client=None, sender=OUTSIDE):
        self.socket = TLS.wrap_socket(
            socket.create_connection(("127.0.0.1", r.port(8443)), timeout=60))
        forwarded = f"X-Forwarded-For: {client}\r\n" if client else ""
        self.socket.sendall(f"POST /mxdeliv HTTP/1.1\r\nHost: x\r\nX-MAIL-FROM: {sender}\r\n"
                            f"X-MAIL-TO: {user}\r\nTransfer-Encoding: chunked\r\n{forwarded}"
                            "\r\n".encode())

    def send(self, piece):
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self):
        self.socket.sendall(b"0\r\n\r\n")

    def answer(self):
        """(status, Retry-After or None, text)"""
        answer = http.client.HTTPResponse(self.socket, method="POST")
        answer.begin()
        with answer:
            return answer.status, answer.headers["Retry-After"], answer.read().decode().strip()

    def is_held(self):
        """No answer has come, nor will one without the body."""
        self.socket.settimeout(0)
        try:
            return self.socket.recv(1) == b"unexpected"
        except ssl.SSLWantReadError:
            return True
        finally:
            self.socket.settimeout(60)

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def registrar(product, ingress=None, **options):
    """One more, which says by X-Forwarded-For who comes, and hands in where ingress listens."""
    peers = {} if ingress is None else {
        "smtp_ingress_mxdeliv_peers": "static:" + ",".join(f"127.0.0.1:{p}" for p in ingress)}
    with running(product, "registrar", trusted_proxies="127.0.0.1", **peers, **options) as r:
        yield r


def held(r):
    return r.metric("postbus_mxdeliv_messages")


def test_a_message_is_delivered(product):
    one, two = mail.new_account(product), mail.new_account(product)
    status, text = curl(product, [one, two], body=mail.encrypted(OUTSIDE, "https@test"))
    assert (status, text[:27]) == (200, "250 2.0.0 Ok: queued as " + text[24:27])
    # Without X-MAIL-FROM it is a message without a sender; chunked, nobody knows its size.
    status, text = curl(product, one, None, mail.encrypted(OUTSIDE, "null@test"),
                        ["-H", "Transfer-Encoding: chunked"])
    assert status == 200, text
    wait_for_messages(inbox(product, one), 2)
    at = inbox(product, two)
    wait_for_messages(at, 1)
    got = at.fetch("1", "(RFC822)")[1][0][1]
    assert got.startswith(f"Return-Path: <{OUTSIDE}>".encode()) and b"<https@test>" in got


def test_refusals_are_those_of_port_25(product):
    user = mail.new_account(product)
    nobody = mail.new_name(product.domain)
    good = mail.encrypted(OUTSIDE)
    plain = f"From: <{OUTSIDE}>\r\nTo: <{user}>\r\nSubject: hi\r\n\r\nhello\r\n"
    for sender, recipient, text, begins in (
            (OUTSIDE, user, plain, "523 "), (OUTSIDE, nobody, good, "550 5.1.1 "),
            (OUTSIDE, "a@far.example", good, "554 5.7.1 "),
            (f"x@{product.domain}", user, good, "553 5.7.1 "),
            (OUTSIDE, "a b@c.example", good, "501 5.1.3 "), (OUTSIDE, "", good, "501 5.1.3 "),
            ("no-domain", user, good, "501 5.1.7 "),
            (OUTSIDE, user, "no header at all\r\n", "500 "),
            (OUTSIDE, user, good.replace("\r\n\r\n", "\r\n\r\n" + "x" * 9000 + "\r\n", 1), "500 5.5.2 ")):
        status, said = curl(product, recipient, sender, text)
        assert status == 400 and said.startswith(begins), said
        if recipient:
            assert said == through_port_25(product, sender, [recipient], text)
    # All or nothing: by SMTP each recipient gets an answer of its own.
    assert curl(product, [user, "a@far.example"], body=good)[0] == 400
    at = inbox(product, user)
    assert at.select("INBOX")[1] == [b"0"]
    assert curl(product, user, body=good)[0] == 200
    wait_for_messages(at, 1)


def test_what_is_no_such_request_is_told_what_is_wrong(product):
    user = mail.new_account(product)
    good = mail.encrypted(OUTSIDE)
    size = 31457280
    for expected, r in (
            ((400, "503 5.5.1 Bad sequence of commands: need RCPT"), curl(product, [], body=good)),
            ((400, "501 5.5.4 More than one X-MAIL-FROM"),
             curl(product, user, body=good, words=["-H", "X-Mail-From: x@y.example"])),
            ((400, "501 5.1.3 Bad recipient address syntax"),
             curl(product, f"{user}> SIZE=1 X<a@b.example", body=good)),
            ((400, "501 5.1.7 Invalid address in MAIL FROM"),
             curl(product, user, f"{OUTSIDE}> BODY=7BIT", good)),
            ((413, "552 5.3.4 Message exceeds maximum size"),
             curl(product, user, body=b"x" * (size + 1))),
            ((413, "552 5.3.4 Message exceeds maximum size"),
             curl(product, user, body=good.encode() + b"y\r\n" * (size // 3),
                  words=["-H", "Transfer-Encoding: chunked"])),
            ((405, "Method Not Allowed"), curl(product, user, method="PUT", body=good))):
        assert r == expected
    assert curl(product, user, method="GET")[0] == 405
    done = subprocess.run(["curl", "-s", "-H", f"X-MAIL-TO: {user}", "--data-binary", "x",
                           f"http://127.0.0.1:{product.port(8080)}/mxdeliv"],
                          capture_output=True, text=True, check=True)
    assert done.stdout == "530 5.7.0 Must issue a STARTTLS command first\n"
    assert inbox(product, user).select("INBOX")[1] == [b"0"]


def test_the_body_is_the_wire_form(product):
    user = mail.new_account(product)
    good = mail.encrypted(OUTSIDE)
    for text in (good[:-2], good[:-1], good + "x", "", good + ".\r\n",
                 good + ".\r\nMAIL FROM:<x@y.example>\r\n", good.replace("\r\n\r\n", "\n\r\n", 1),
                 good.replace("\r\n\r\n", "\r\n\r\r\n", 1), good.replace("From:", "X: a\0\r\nFrom:", 1)):
        for words in ([], ["-H", "Transfer-Encoding: chunked"]):
            status, said = curl(product, user, body=text, words=words)
            assert status == 400 and said.startswith("500 Invalid DATA"), (said, text)
    # One of the dots is the wire's.
    dotted = good.replace("Chat-Version:", "..dots: yes\r\nChat-Version:")
    assert curl(product, user, body=dotted)[0] == 200
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert b"\r\n.dots: yes\r\n" in at.fetch("1", "(RFC822)")[1][0][1]


def test_who_hangs_up_has_sent_nothing_and_holds_no_place(product):
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE, size=200_000).encode()
    with registrar(product, mxdeliv_at_once=1) as r:
        for size in (0, 100, 150_000):  # before the dialogue begins, and in its middle
            upload = Upload(r, user)
            if size:
                upload.send(text[:size])
            wait_for("it is there", lambda: held(r) == 1)
            assert curl(r, user, body=text)[0] == 503
            upload.close()
            wait_for("it is gone", lambda: held(r) == 0)
        assert inbox(product, user).select("INBOX")[1] == [b"0"]
        # All of it, and then gone: it counts as sent.
        upload = Upload(r, user)
        upload.send(text)
        upload.end()
        assert upload.answer()[0] == 200
        wait_for("it is gone", lambda: held(r) == 0)
    wait_for_messages(inbox(product, user), 1)


def test_a_thousand_at_once_are_told_and_pages_answer(product, descriptors):  # noqa: F811
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE).encode()
    with registrar(product, mxdeliv_at_once=40, mxdeliv_at_once_per_network=10) as r:
        # Four networks take all there is, and one more finds nothing.
        first = [Upload(r, user, f"192.0.{net}.7") for net in range(4) for _ in range(10)]
        wait_for("all places are taken", lambda: held(r) == 40)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            others = list(pool.map(lambda i: Upload(r, user, f"198.51.{i // 250}.{i % 250}"), range(960)))
            answers = set(pool.map(Upload.answer, others))
        assert answers == {(503, "60", "451 4.4.5 Too many messages at once, try again later")}
        assert curl(r, path="/info", method="GET")[0] == 200
        for upload in first:
            upload.send(text)
            upload.end()
        assert {upload.answer()[0] for upload in first} == {200}
        wait_for("all places are free", lambda: held(r) == 0)
        for upload in first + others:
            upload.close()
    wait_for_messages(inbox(product, user), 40)


def test_a_network_has_its_part(product):
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE)
    with registrar(product, mxdeliv_at_once_per_network=2, mxdeliv_per_minute=30) as r:
        def from_there(address):
            return curl(r, user, body=text, words=["-H", f"X-Forwarded-For: {address}"])

        two = [Upload(r, user, "192.0.2.7") for _ in range(2)]
        wait_for("its places are taken", lambda: held(r) == 2)
        assert from_there("192.0.2.7")[0] == 503
        assert from_there("192.0.2.8")[0] == 200
        for upload in two:
            upload.close()
        wait_for("its places are free", lambda: held(r) == 0)
        # Three of a burst, whether they found a place or not.
        assert from_there("192.0.2.7") == (429, "451 4.7.0 Too many messages from your network")
        assert [from_there("2001:db8::1")[0], from_there("2001:db8::2")[0],
                from_there("2001:db8::3")[0], from_there("2001:db8::4")[0]] == [200, 200, 200, 429]


def test_a_slow_body_has_an_end(product):
    user = mail.new_account(product)
    with registrar(product, mxdeliv_seconds=1) as r:
        upload = Upload(r, user)
        upload.send(mail.encrypted(OUTSIDE).encode())
        wait_for("it is too late", lambda: r.logged("mxdeliv.answered status=408"))
        upload.end()
        assert upload.answer() == (408, None, "421 4.4.2 Timeout exceeded")
    assert inbox(product, user).select("INBOX")[1] == [b"0"]


def peak_memory(process):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024


def test_large_messages_pass_through_little_memory(product):
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE, size=20_000_000).encode()
    with registrar(product) as r:
        before = peak_memory(r.process)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: curl(r, user, body=text), range(4)))
        assert {status for status, _ in answers} == {200}, answers
        assert peak_memory(r.process) - before < 16 << 20
    wait_for_messages(inbox(product, user), 4)


def test_a_replica_that_is_not_there_is_followed_by_the_next(product):
    user = mail.new_account(product)
    gone = free_port()
    with running(product, "smtp-ingress") as other, \
            registrar(product, [gone, other.ports["mxdeliv_port"]]) as r:
        for _ in range(4):
            assert curl(r, user, body=mail.encrypted(OUTSIDE))[0] == 200
    with registrar(product, [gone]) as r:
        assert curl(r, user, body=mail.encrypted(OUTSIDE)) == (503, "451 4.3.0 Try again later")
    wait_for_messages(inbox(product, user), 4)


def test_a_replica_that_is_silent_is_followed_by_the_next(product):
    """Its system takes connections, and it says nothing, as one that was stopped."""
    user = mail.new_account(product)
    with socket.create_server(("127.0.0.1", 0)) as silent, running(product, "smtp-ingress") as other, \
            registrar(product, [silent.getsockname()[1], other.ports["mxdeliv_port"]], mxdeliv_seconds=20) as r:
        assert [curl(r, user, body=mail.encrypted(OUTSIDE))[0] for _ in range(2)] == [200, 200]
    wait_for_messages(inbox(product, user), 2)


def test_a_service_that_dies_in_the_middle_has_delivered_nothing(product):
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE, "once@test", size=200_000).encode()
    with contextlib.suppress(AssertionError), running(product, "smtp-ingress") as other:
        with registrar(product, [other.ports["mxdeliv_port"]]) as r:
            upload = Upload(r, user)
            upload.send(text[:150_000])
            wait_for("the dialogue has begun",
                     lambda: other.metric('postbus_smtp_sessions{port="mxdeliv"}') == 1)
            os.kill(other.process.pid, signal.SIGKILL)
            other.process.wait()
            upload.send(text[150_000:])
            upload.end()
            status, _, said = upload.answer()
            assert (status, said) == (503, "451 4.3.0 Try again later")
            killed = True
    assert killed
    # The sender comes again, and it is there once.
    assert curl(product, user, body=text)[0] == 200
    at = inbox(product, user)
    wait_for_messages(at, 1)


def test_a_service_that_dies_behind_the_dot_has_promised_nothing(product):
    """All of the message is there and is being judged, and its sender waits for the reply."""
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE, "dot@test").encode()
    with name_server() as names, contextlib.suppress(AssertionError), \
            running(product, "smtp-ingress", require_mx_record="reject", dns_resolver=names.address,
                    dns_trust_anchor_file="none", judge_seconds=60) as other, \
            registrar(product, [other.ports["mxdeliv_port"]]) as r:
        upload = Upload(r, user, sender="someone@held-dot.example")
        upload.send(text)
        upload.end()
        wait_for("it is judged", lambda: other.metric(WAITING) == 1)
        os.kill(other.process.pid, signal.SIGKILL)
        other.process.wait()
        assert upload.answer()[::2] == (503, "451 4.3.0 Try again later")
        wait_for("no place is held", lambda: held(r) == 0)
        killed = True
    assert killed
    assert curl(product, user, body=text)[0] == 200
    wait_for_messages(inbox(product, user), 1)


def test_only_registrars_are_taken_and_only_where_they_may_come(product):
    user = mail.new_account(product)
    with running(product, "smtp-ingress", mxdeliv_networks="192.0.2.0/24") as other, \
            registrar(product, [other.ports["mxdeliv_port"]]) as r:
        assert curl(r, user, body=mail.encrypted(OUTSIDE))[0] == 503
    port = free_port()
    with running(product, "smtp-ingress", mxdeliv_port=port, replace_sender=f"{OUTSIDE}: returns@far.example"), \
            registrar(product, [port]) as r:
        assert curl(r, user, body=mail.encrypted(OUTSIDE))[0] == 200
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert at.fetch("1", "(RFC822)")[1][0][1].startswith(b"Return-Path: <returns@far.example>")
    with running(product, "registrar", smtp_ingress_mxdeliv_peers="") as r:
        assert curl(r, method="GET")[0] == 404
        assert curl(r, user, body=mail.encrypted(OUTSIDE))[0] == 405
