"""Two servers with domains of their own: what one signs the other checks, by the DNS."""
import re
import subprocess

import pytest

import mail
from fake_dns import name_server
from product import Product, wait_for

A, B = "a.test", "b.test"
RECORD = re.compile(r"^(\S+)\. 3600 IN TXT (.*)$", re.M)


def records(product):
    """What its operator is to put into the zone."""
    shown = subprocess.run([product.run / "postbusctl", "dkim", "show"], check=True, text=True,
                           capture_output=True).stdout
    return {name: "".join(re.findall('"([^"]*)"', text)) for name, text in RECORD.findall(shown)}


@pytest.fixture(scope="module")
def servers():
    zone = {"_dmarc.a.test": "v=DMARC1"}
    with name_server(txt=zone) as names, \
            Product(domain=B, options={"dns_resolver": names.address, "dns_trust_anchor_file": "none"}) as b, \
            Product(domain=A, options={"routes": f"{B}=127.0.0.1:{b.port(2525)}", "dkim_algorithm": "both",
                                       "tls_ca_file": b.run / "secrets/tls.crt"}) as a:
        yield a, b, zone


def send(product, user, recipient, message_id):
    client = mail.smtp(product, user)
    client.sendmail(user, [recipient], mail.encrypted(user, message_id))
    client.quit()


def wait_for_text(product, user, text):
    client = mail.imap(product, user)

    def find():
        if client.select("INBOX")[1] == [b"0"]:
            return None
        return [m for kind, data in [client.fetch("1:*", "(RFC822)")] for m in data
                if isinstance(m, tuple) and text.encode() in m[1]]
    found = wait_for(f"{text} at {user}", find, 60)
    client.logout()
    return found[0][1].decode()


def test_the_dns_decides(servers):
    a, b, zone = servers
    alice, bob = mail.new_account(a), mail.new_account(b)
    zone.update(records(a))
    assert sorted(zone)[1:] == [f"opendkim-ed25519._domainkey.{A}", f"opendkim._domainkey.{A}"]
    send(a, alice, bob, "published@test")
    assert "DKIM-Signature" not in wait_for_text(b, bob, "published@test")
    # A new key that nobody has published: refused for good, and its author is told.
    subprocess.run([a.run / "postbusctl", "dkim", "rotate", "--now"], check=True, stdout=subprocess.PIPE)
    numbers = iter(range(1000))

    def is_refused():
        send(a, alice, bob, f"unpublished{next(numbers)}@test")
        client = mail.imap(a, alice)
        client.select("INBOX")
        found = client.search(None, "ALL")[1][0]
        client.logout()
        return found
    wait_for("the new key is used", is_refused, 90, every=3)
    assert "554 5.7.1 No valid DKIM signature found: there is no key" in wait_for_text(a, alice, "unpublished")
