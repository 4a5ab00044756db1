"""What leaves is signed, as an independent implementation sees it at the host that gets it."""
import contextlib
import email
import email.utils
import re
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import dkim
import pytest

import mail
from beside import running
from product import BUILD, Product, wait_for

WHERE = "44.0.0.9"  # where the client is
DOMAINS = ("_one.test", "_two.test")
SHOWN = re.compile(r"^(\S+)\. 3600 IN TXT ((?:\"[^\"]{1,255}\" ?)+)$", re.M)


class Inbox:
    """A mail host that keeps the bytes of what it is given."""

    def __init__(self, certificate, key, address="127.0.0.1"):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.messages, self.lock = [], threading.Lock()
        self.listener = socket.create_server((address, 0), backlog=50)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with contextlib.suppress(OSError):
            s.sendall(b"220 mx ESMTP\r\n")
            lines, rcpt = s.makefile("rb"), []
            while line := lines.readline():
                verb = line.split()[0].upper()
                if verb == b"STARTTLS":
                    s.sendall(b"220 go\r\n")
                    s = self.tls.wrap_socket(s, server_side=True)
                    lines = s.makefile("rb")
                elif verb == b"EHLO":
                    s.sendall(b"250-mx\r\n250-8BITMIME\r\n250 STARTTLS\r\n")
                elif verb == b"DATA":
                    s.sendall(b"354 go\r\n")
                    data = b"".join(x.removeprefix(b".") for x in iter(lines.readline, b".\r\n"))
                    with self.lock:
                        self.messages.append((sorted(rcpt), data))
                    rcpt = []
                    s.sendall(b"250 ok\r\n")
                else:
                    if verb == b"RCPT":
                        rcpt.append(line.split(b"<")[1].split(b">")[0].decode())
                    s.sendall(b"250 ok\r\n")

    def find(self, message_id):
        with self.lock:
            return [m for m in self.messages if message_id.encode() in m[1]]

    def wait(self, message_id, count, seconds=60):
        return wait_for(f"{count} of {message_id}", lambda: len(self.find(message_id)) == count
                        and self.find(message_id), seconds)


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    certificate, key = folder / "crt", folder / "key"
    subprocess.run([BUILD / "postbusctl", "cert", "--domain", "mx.test", "--address", "127.0.0.1",
                    "--certificate", certificate, "--key", key], check=True)
    inbox = Inbox(certificate, key)
    yield inbox
    inbox.listener.close()


def options(inbox, **more):
    return {"routes": " ".join(f"{d}=127.0.0.1:{inbox.port}" for d in DOMAINS), **more}


@pytest.fixture(scope="module")
def signing(inbox):
    with Product(domain="_sign.localhost", options=options(inbox, dkim_selector="mail1",
                                                           dkim_algorithm="both")) as product:
        yield product


def postbusctl(product, *words):
    return subprocess.run([product.run / "postbusctl", *words], text=True, capture_output=True,
                          timeout=60)


def zone(product):
    """name: text, of the lines that an operator is to put into the zone."""
    shown = postbusctl(product, "dkim", "show")
    assert shown.returncode == 0, shown.stderr
    lines = SHOWN.findall(shown.stdout)
    assert len(lines) == sum(not x.startswith(";") for x in shown.stdout.splitlines())
    return {name: "".join(re.findall('"([^"]*)"', text)) for name, text in lines}


def selectors(product, message):
    """Of the signatures in it, each of which dkimpy finds good by what is shown."""
    records = zone(product)
    signed = dkim.DKIM(message)
    fields = [value for name, value in signed.headers if name.lower() == b"dkim-signature"]
    for i in range(len(fields)):
        assert signed.verify(idx=i, dnsfunc=lambda name, timeout=5: records[
            name.decode().rstrip(".")].encode()), message
    return [re.search(rb"\bs=([^;\s]+)", value)[1].decode() for value in fields]


def send(product, user, recipients, message_id, **how):
    client = mail.smtp(product, user)
    client.sendmail(user, recipients, mail.encrypted(user, message_id, **how))
    client.quit()


def test_every_host_gets_the_same_good_signatures(signing, inbox):
    alice, bob = mail.new_account(signing), mail.new_account(signing)
    foreign = ["a@_one.test", "b@_one.test", "c@_two.test"]
    send(signing, alice, [*foreign, bob], "first@test", extra="Autocrypt: addr=x;\r\n keydata=AA\r\n")
    got = inbox.wait("<first@test>", 2)
    assert sorted(r for rcpt, _ in got for r in rcpt) == foreign
    for _, data in got:
        assert sorted(selectors(signing, data)) == ["mail1", "mail1-ed25519"]
        # Whatever is changed is noticed.
        changed = data.replace(b"Autocrypt: addr=x", b"Autocrypt: addr=y")
        assert changed != data and not dkim.verify(
            changed, dnsfunc=lambda *_, **__: zone(signing)["mail1._domainkey._sign.localhost"].encode())
    assert got[0][1] == got[1][1]
    client = mail.imap(signing, bob)
    wait_for("a message", lambda: client.select("INBOX")[1] == [b"1"])
    assert b"DKIM-Signature" not in client.fetch("1", "(RFC822)")[1][0][1]
    client.logout()
    assert signing.metric("queue-worker", "postbus_dkim_signed_total") >= 1


@pytest.mark.parametrize("size", [300, 700_000])
def test_messages_of_any_size(signing, inbox, size):
    alice = mail.new_account(signing)
    send(signing, alice, ["a@_one.test"], f"size{size}@test", size=size)
    (_, data), = inbox.wait(f"<size{size}@test>", 1)
    assert len(selectors(signing, data)) == 2


def test_what_stays_costs_no_signature(signing):
    alice, bob = mail.new_account(signing), mail.new_account(signing)
    before = signing.metric("queue-worker", "postbus_dkim_signed_total")
    send(signing, alice, [bob], "local@test")
    client = mail.imap(signing, bob)
    wait_for("a message", lambda: client.select("INBOX")[1] == [b"1"])
    client.logout()
    assert signing.metric("queue-worker", "postbus_dkim_signed_total") == before
    assert signing.sql("SELECT count(*) FROM queue WHERE envelope ? 'body_hash'") == "0"


def test_a_new_key_is_published_and_then_used(signing, inbox):
    alice = mail.new_account(signing)
    done = postbusctl(signing, "dkim", "rotate")
    assert done.returncode == 0 and "publish this" in done.stdout
    assert len(zone(signing)) == 4
    again = postbusctl(signing, "dkim", "rotate")
    assert again.returncode == 1 and "younger than an hour" in again.stderr
    send(signing, alice, ["a@_one.test"], "before@test")
    (_, data), = inbox.wait("<before@test>", 1)
    assert sorted(selectors(signing, data)) == ["mail1", "mail1-ed25519"]
    done = postbusctl(signing, "dkim", "rotate", "--now")
    assert done.returncode == 0 and "signs no more; keep it until" in done.stdout
    numbers = iter(range(1000))

    def is_followed():
        name = f"after{next(numbers)}@test"
        send(signing, alice, ["a@_one.test"], name)
        (_, data), = inbox.wait(f"<{name}>", 1)
        return all(s.startswith("mail1-2") for s in selectors(signing, data))
    wait_for("the new key signs", is_followed, 60, every=2)


class Proxied(smtplib.SMTP_SSL):
    """A client whose address a proxy names."""

    def _get_socket(self, host, port, timeout):
        raw = socket.create_connection((host, port), timeout)
        ip = socket.inet_aton(WHERE)
        raw.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + ip + ip + b"\x30\x39\x01\xd1")
        return self.context.wrap_socket(raw, server_hostname=self._host)


def submit(r, user, recipients, text):
    client = Proxied("127.0.0.1", r.port(2465), f"[{WHERE}]", timeout=30, context=mail.tls())
    client.login(user, mail.PASSWORD)
    client.sendmail(user, recipients, text)
    client.close()


def bare(user, mark):
    """A message without Date and Message-ID."""
    text = mail.encrypted(user, extra=f"X-Mark: {mark}\r\n")
    return re.sub(r"^(Date|Message-ID): .*\r\n", "", text, flags=re.M)


def test_nobody_is_told_where_the_client_is(signing, inbox):
    """Neither another host, nor a mailbox; and with nothing added the author's bytes stay."""
    alice, bob = mail.new_account(signing), mail.new_account(signing)
    with running(signing, "smtp-ingress", proxy_protocol="true", trusted_proxies="127.0.0.0/8") as r:
        text = bare(alice, "where@test")
        submit(r, alice, ["a@_one.test", bob], text)
    (_, data), = inbox.wait("where@test", 1)
    client = mail.imap(signing, bob)
    wait_for("a message", lambda: client.select("INBOX")[1] == [b"1"])
    stored = client.fetch("1", "(RFC822)")[1][0][1]
    for got in (data, stored):
        assert WHERE.encode() not in got
        assert got.endswith(text.encode())
    received, = (v for k, v in dkim.DKIM(data).headers if k.lower() == b"received")
    assert received.split()[0] == b"by" and b"from" not in received.split(b";")[0]
    assert stored == f"Return-Path: <{alice}>\r\n{text}".encode()


def test_what_is_missing_is_added_and_signed(signing, inbox):
    alice = mail.new_account(signing)
    with running(signing, "smtp-ingress", add_missing_fields="true", proxy_protocol="true",
                 trusted_proxies="127.0.0.0/8") as r:
        text = bare(alice, "added@test")
        submit(r, alice, ["a@_one.test"], text)
        submit(r, alice, ["a@_one.test"], mail.encrypted(alice, "whole@test"))
    (_, data), = inbox.wait("added@test", 1)
    assert len(selectors(signing, data)) == 2
    assert data.endswith(text.encode())
    added = email.message_from_bytes(data)
    assert re.fullmatch(r"<[0-9a-f]{32}@\S+>", added["Message-ID"])
    assert abs(email.utils.parsedate_to_datetime(added["Date"]).timestamp() - time.time()) < 3600
    (_, data), = inbox.wait("<whole@test>", 1)
    whole = email.message_from_bytes(data)
    assert len(whole.get_all("Date")) == len(whole.get_all("Message-ID")) == 1
    assert len(selectors(signing, data)) == 2


def test_misused(signing):
    for words, says in ((["dkim"], "show or rotate"), (["dkim", "sign"], "not sign"),
                        (["dkim", "show", "--now"], "--now")):
        done = postbusctl(signing, *words)
        assert done.returncode == 2 and says in done.stderr, done


def test_signing_can_be_switched_off(inbox):
    with Product(domain="_unsigned.localhost", options=options(inbox, dkim_sign="false")) as product:
        send(product, mail.new_account(product), ["a@_one.test"], "unsigned@test")
        (_, data), = inbox.wait("<unsigned@test>", 1)
        assert b"dkim-signature" not in data.lower()
        done = postbusctl(product, "dkim", "show")
        assert done.returncode == 3 and "no key" in done.stderr
