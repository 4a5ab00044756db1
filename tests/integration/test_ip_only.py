"""A server without a name: its mail domain is an address in brackets."""
import email
import imaplib
import smtplib
import urllib.parse

import pytest

import mail
from join import fetch, join, scan
from product import Product, wait_for

DOMAIN = "[127.0.0.1]"
# Both servers of this file have the same port, each at its own address.
SMTP_PORT = 7025


def at(address):
    return Product(domain=f"[{address}]", options={
        "listen_address": address, "public_host": address, "smtp_port": SMTP_PORT,
        "smtp_outbound_port": SMTP_PORT, "allow_private_destinations": "true"})


@pytest.fixture(scope="module")
def server():
    with at("127.0.0.1") as p:
        yield p


def web(server):
    return f"https://{server.domain[1:-1]}:{server.port(8443)}"


class Person:
    """Somebody who joined by a code, and knows no more than what stands in it."""

    def __init__(self, code):
        address, query = code.removeprefix("dclogin:").split("?")
        values = dict(urllib.parse.parse_qsl(query, strict_parsing=True))
        self.address, self.password = urllib.parse.unquote(address), values["p"]
        host = self.address.split("@")[1]
        assert (f"[{values['ih']}]", f"[{values['sh']}]", values["ic"]) == (host, host, "3")
        self.imap = imaplib.IMAP4_SSL(values["ih"], int(values["ip"]), ssl_context=mail.tls(),
                                      timeout=30)
        self.imap.login(self.address, self.password)
        self.smtp = smtplib.SMTP_SSL(values["sh"], int(values["sp"]), context=mail.tls(), timeout=30)
        self.smtp.login(self.address, self.password)

    def send(self, *to, **how):
        self.smtp.sendmail(self.address, to, mail.encrypted(self.address, **how))

    def inbox(self):
        """Every message, oldest first."""
        self.imap.select("INBOX")
        _, data = self.imap.uid("FETCH", "1:*", "(BODY.PEEK[])")
        return [email.message_from_bytes(part[1]) for part in data if isinstance(part, tuple)]

    def wait_mail(self, count):
        return wait_for(f"{count} messages", lambda: len(self.inbox()) == count and self.inbox())


@pytest.fixture
def people(server, tmp_path):
    return [Person(scan(web(server), tmp_path)) for _ in range(2)]


def test_a_code_makes_an_address_in_brackets(people):
    for person in people:
        local, domain = person.address.split("@")
        assert len(local) == 9 and domain == DOMAIN
    assert people[0].address != people[1].address


def test_mail_both_ways(people):
    one, other = people
    one.send(other.address, message_id="there@test")
    message = other.wait_mail(1)[0]
    assert (message["From"], message["Message-ID"]) == (f"<{one.address}>", "<there@test>")
    other.send(one.address, message_id="back@test")
    assert one.wait_mail(1)[0]["Message-ID"] == "<back@test>"


def test_what_nobody_gets_comes_back(people):
    one, other = people
    lost = mail.new_name(DOMAIN)
    one.send(lost, other.address, message_id="lost@test")
    report = one.wait_mail(1)[0]
    assert report.get_content_type() == "multipart/report"
    assert report["From"].lower().endswith(f"<mailer-daemon@{DOMAIN}>")
    text = report.as_string()
    assert f"Final-Recipient: rfc822; {lost}" in text and "<lost@test>" in text


def test_two_servers_without_names(people, tmp_path):
    """They find each other by what stands in the brackets, and cannot verify each other."""
    with at("127.0.0.2") as elsewhere:
        here, there = people[0], Person(scan(web(elsewhere), tmp_path))
        assert there.address.endswith("@[127.0.0.2]")
        here.send(there.address, message_id="there@test")
        assert there.wait_mail(1)[0]["From"] == f"<{here.address}>"
        there.send(here.address, message_id="back@test")
        assert here.wait_mail(1)[0]["From"] == f"<{there.address}>"
        lost = mail.new_name("[127.0.0.2]")
        here.send(lost, message_id="lost@test")
        assert f"Final-Recipient: rfc822; {lost}" in here.wait_mail(2)[1].as_string()


def test_pages_and_what_programs_ask(server):
    start, info = (fetch(web(server) + path).decode() for path in ("/", "/info"))
    assert DOMAIN in start and 'href="dclogin:' in start
    assert "self-signed" in info and "<code>127.0.0.1</code>" in info
    xml = fetch(f"{web(server)}/.well-known/autoconfig/mail/config-v1.1.xml").decode()
    assert "<hostname>127.0.0.1</hostname>" in xml


def test_delta_chat_joins(server, tmp_path):
    join(DOMAIN, scan(web(server), tmp_path), scan(web(server), tmp_path))
