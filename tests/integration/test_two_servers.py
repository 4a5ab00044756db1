"""Two servers with domains of their own, in networks of their own, and a name server that has their
zones: what one signs the other checks, and each thing that may be wrong with it has its answer."""
import imaplib
import json
import os
import re
import smtplib
import socket
import subprocess
import tempfile

import pytest

import mail
from fake_dns import TXT, wire
from join import scan
from product import BUILD, Product, wait_for
from test_dkim_signing import Inbox, zone as records
from test_remote import HERE, ZONE, Network

ADDRESSES = {"a.test": "192.0.2.1", "b.test": "192.0.2.2"}
RESOLVER, WATCHED = "192.0.2.3", "192.0.2.254"
KEY = "opendkim._domainkey.a.test"
REFUSED = "554 5.7.1 No valid DKIM signature found: "


class Names:
    """The name server of both zones.  Nothing that it says is kept by who asks."""

    def __init__(self, network):
        self.network, self.txt, self.process = network, {}, None
        network.add("r", RESOLVER)

    def start(self):
        lines = [ZONE, '  local-data: "test. 0 IN SOA ns.test. admin.test. 1 60 60 60 0"']
        for domain, address in ADDRESSES.items():
            lines += [f'  local-data: "{domain}. 0 IN A {address}"',
                      f'  local-data: "{domain}. 0 IN MX 10 {domain}."']
        for name, text in self.txt.items():
            parts = " ".join(f'"{text[i:i + 255]}"' for i in range(0, len(text), 255))
            lines.append(f"  local-data: '{name}. 0 IN TXT {parts}'")
        file = self.network.folder / "unbound.conf"
        file.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen([*self.network.prefix("r"), "unbound", "-d", "-c", str(file)])
        wait_for("the name server", self.answers)

    def answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect((RESOLVER, 53))
            s.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + wire("a.test") + TXT.to_bytes(2, "big") + b"\0\1")
            return s.recv(512)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def say(self, **txt):
        """From now on, beside what was said before; None takes a name back."""
        self.stop()
        self.txt.update({name.replace("__", "."): text for name, text in txt.items()})
        self.txt = {name: text for name, text in self.txt.items() if text is not None}
        self.start()


class Server(Product):
    def __init__(self, network, domain, **options):
        self.network, self.name, self.address = network, domain[0], ADDRESSES[domain]
        super().__init__(domain=domain, prefix=network.prefix(self.name), keep=network.folder / self.name,
                         arguments=("--standard-ports", "--port-offset", "0"),
                         options={"listen_address": "0.0.0.0", "dns_resolver": f"{RESOLVER}:53",
                                  "tls_certificate_file": network.folder / f"{domain}.crt",
                                  "tls_key_file": network.folder / f"{domain}.key",
                                  "tls_ca_file": network.folder / "authorities",
                                  "allow_private_destinations": "true", "retry_min_seconds": 1,
                                  "disable_ipv6": "true", "judge_seconds": 5, **options})

    def new_account(self):
        user = mail.new_name(self.domain)
        self.imap(user).logout()
        return user

    def imap(self, user):
        client = imaplib.IMAP4_SSL(self.address, 993, ssl_context=mail.tls(), timeout=30)
        client.login(user, mail.PASSWORD)
        client.select("INBOX")
        return client

    def send(self, user, recipient, message_id, *parameters):
        with smtplib.SMTP_SSL(self.address, 465, context=mail.tls(), timeout=30) as client:
            client.login(user, mail.PASSWORD)
            client.sendmail(user, [recipient], mail.encrypted(user, message_id), parameters)

    def receive(self, sender, recipient, message):
        """What port 25 says at the end of it."""
        with smtplib.SMTP(self.address, 25, "a.test", timeout=30) as client:
            client.starttls(context=mail.tls())
            client.ehlo()
            assert client.mail(sender)[0] == client.rcpt(recipient)[0] == 250
            code, text = client.data(message)
            return f"{code} {text.decode()}"

    def wait_for_text(self, user, text):
        client = self.imap(user)

        def find():
            client.noop()
            kind, data = client.uid("FETCH", "1:*", "(RFC822)")
            return kind == "OK" and [m[1].decode() for m in data if isinstance(m, tuple) and text.encode() in m[1]]
        found = wait_for(f"{text} at {user}", find, 60)
        client.logout()
        return found[0]

    def passed(self):
        """Messages whose signature was good."""
        metrics = self.network.inside(self.name, "python3", HERE / "fetch.py", "http://127.0.0.1:9090/metrics",
                                      capture_output=True, text=True).stdout
        return int(re.search(r'postbus_smtp_dkim_total{result="pass"} (\d+)', metrics)[1])


def certificates(folder):
    """Of the two, as they make theirs, and of the host that watches; each trusts all."""
    made = []
    for domain, address in (*ADDRESSES.items(), ("watched.test", WATCHED)):
        made.append(folder / f"{domain}.crt")
        subprocess.run([BUILD / "postbusctl", "cert", "--domain", domain, "--address", address,
                        "--certificate", made[-1], "--key", folder / f"{domain}.key"], check=True)
    (folder / "authorities").write_text("".join(file.read_text() for file in made))


@pytest.fixture(scope="module")
def network():
    with tempfile.TemporaryDirectory(prefix="postbus-two-") as folder:
        network = Network(folder)
        try:
            subprocess.check_call(["ip", "link", "add", "postbus0", "type", "bridge"])
            subprocess.check_call(["ip", "addr", "add", f"{WATCHED}/24", "dev", "postbus0"])
            subprocess.check_call(["ip", "link", "set", "postbus0", "up"])
            for domain, address in ADDRESSES.items():
                network.add(domain[0], address)
            certificates(network.folder)
            yield network
        finally:
            network.stop()


@pytest.fixture(scope="module")
def names(network):
    names = Names(network)
    names.start()
    yield names
    names.stop()


@pytest.fixture(scope="module")
def watched(network):
    inbox = Inbox(network.folder / "watched.test.crt", network.folder / "watched.test.key", WATCHED)
    yield inbox
    inbox.listener.close()


@pytest.fixture(scope="module")
def servers(network, names, watched):
    """b is in three domains; what a sends to the alias goes by the host that watches."""
    with Server(network, "b.test", mail_domain_aliases="watched.test=b.test", more_mail_domains="too.test",
                dkim_algorithm="ed25519", dmarc="reject", spf_fail_action="reject") as b, \
            Server(network, "a.test", routes=f"watched.test=smtp://{WATCHED}:{watched.port}") as a:
        for server in (a, b):
            # The operator is told at the start, of each domain.
            for domain in (server.domain, *(["too.test"] if server is b else [])):
                record = f"opendkim._domainkey.{domain}. 3600 IN TXT "
                wait_for("the record", lambda: any(x.startswith(record) for x in server.output))
            names.txt.update(records(server))
        names.say()
        yield a, b


def test_delta_chat_talks_both_ways(servers, tmp_path):
    a, b = servers
    codes = []
    for name, server in (("alice", a), ("bob", b)):
        codes.append([name, scan(f"https://{server.domain}", tmp_path)])
    done = subprocess.run(
        ["node", "--test", "--test-name-pattern=dclogin:|SecureJoin|a message each way|a file of",
         HERE / "deltachat/client.test.mjs"],
        env={**os.environ, "CLIENT_DOMAIN": "a.test", "CLIENT_CODES": json.dumps(codes)},
        capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "# pass 5\n" in done.stdout, done.stdout + a.logs() + b.logs()
    # Of each at least two steps of SecureJoin and a message.
    assert a.passed() >= 3 and b.passed() >= 3


@pytest.fixture(scope="module")
def caught(servers, watched):
    """A message on its way from a to b, and whom it is for."""
    a, b = servers
    alice, bob = a.new_account(), b.new_account()
    a.send(alice, bob.replace("b.test", "watched.test"), "caught@test")
    (_, data), = watched.wait("<caught@test>", 1)
    return alice, bob, data


def change_body(data):
    """Encrypted as before, and other bytes."""
    at = data.index(b"\r\n\r\n", data.index(b"BEGIN PGP MESSAGE")) + 4
    line = data[at:at + 64]
    return data.replace(line, line[:8] + line[:7:-1])


def test_each_twist_has_its_answer(servers, names, caught):
    _, b = servers
    alice, bob, data = caught
    key = names.txt[KEY]

    def answer(text=data):
        return b.receive(alice, bob, text)
    assert answer().startswith("250 ")
    assert answer(change_body(data)) == REFUSED + "the body was changed"
    assert answer(data.replace(b"[...]", b"[..]")) == REFUSED + "the signature does not match the header"
    assert answer(data.replace(b"@a.test>\r\nTo:", b"@c.test>\r\nTo:")) == REFUSED + "none is by the domain in From"
    names.say(**{KEY: "v=DKIM1; k=rsa; p="})
    assert answer() == REFUSED + "the key was revoked"
    names.say(**{KEY: names.txt["opendkim._domainkey.b.test"]})
    assert answer() == REFUSED + "the key is of another type than the signature"
    names.say(**{KEY: None})
    assert answer() == REFUSED + "there is no key"
    names.stop()
    assert answer() == "451 4.4.3 The key of the DKIM signature cannot be looked up now, try again later"
    names.say(**{KEY: key})
    wait_for("it is looked up again", lambda: answer().startswith("250 "))


def test_what_another_host_passes_on_is_judged_by_its_signature(servers, names, caught):
    """a.test says by SPF that this host may not send its mail: where it has said by DMARC what it wants,
    a signature is enough, and without one nothing is."""
    _, b = servers
    alice, bob, data = caught
    unsigned = mail.encrypted(alice)
    names.say(a__test="v=spf1 ip4:192.0.2.1 -all", _dmarc__a__test="v=DMARC1; p=reject")
    assert b.receive(alice, bob, data).startswith("250 ")
    assert b.receive(alice, bob, unsigned) == "554 5.7.1 No DKIM signature found"
    names.say(_dmarc__a__test=None)
    refused = "550 5.7.23 a.test says by SPF that this host may not send its mail"
    assert b.receive(alice, bob, data) == refused
    names.say(a__test=None)
    assert b.receive(alice, bob, data).startswith("250 ")


def test_who_sent_it_is_told(servers, names):
    a, b = servers
    alice, bob, key = a.new_account(), b.new_account(), names.txt[KEY]
    names.say(**{KEY: None})
    a.send(alice, bob, "unpublished@test")
    assert REFUSED + "there is no key" in a.wait_for_text(alice, "unpublished@test")
    names.say(**{KEY: key})
    a.send(alice, bob, "published@test")
    assert "DKIM-Signature" not in b.wait_for_text(bob, "<published@test>")


def test_what_requires_tls_goes_from_one_to_the_other(servers):
    """Each promises it, and has a certificate of its name."""
    a, b = servers
    alice, bob = a.new_account(), b.new_account()
    a.send(alice, bob, "required@test", "REQUIRETLS")
    b.wait_for_text(bob, "<required@test>")


def test_a_dead_dns_delays_mail_and_loses_none(servers, names):
    a, b = servers
    alice, bob = a.new_account(), b.new_account()
    names.stop()
    a.send(alice, bob, "delayed@test")
    wait_for("it is tried again", lambda: a.sql("SELECT last_error FROM queue_remote"))
    names.start()
    b.wait_for_text(bob, "<delayed@test>")
