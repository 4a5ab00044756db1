"""What follows when a check finds something: nothing, Junk, or a refusal."""
import contextlib

import pytest

import mail
from beside import running
from fake_dns import name_server
from idle import Idler
from product import wait_for
from test_smtp_rules import foreign, inbox, transaction, wait_for_messages

AUTHOR = "someone@_elsewhere.example"  # who needs no DKIM signature


@pytest.fixture(scope="module")
def names():
    with name_server(good_example="mx.good.example", null_example="") as n:
        yield n


@contextlib.contextmanager
def checking(product, names, **options):
    with running(product, "smtp-ingress", dns_resolver=names.address, dns_trust_anchor_file="none",
                 **options) as r:
        yield r


def send(r, sender, user, message_id):
    codes, said = transaction(foreign(r), sender, [user], mail.encrypted(AUTHOR, message_id))
    return codes[-1], said


def junk(product, user, count):
    """Message-IDs in Junk, once there are so many."""
    client = mail.imap(product, user)
    wait_for(f"{count} messages in Junk", lambda: client.select("Junk")[1] == [b"%d" % count])
    return mail.message_ids(client)


def test_quarantined_mail_is_in_junk_and_not_in_inbox(product, names):
    user = mail.new_account(product)
    client = mail.imap(product, user)
    assert client.select("Junk")[0] == "NO"
    with checking(product, names, require_mx_record="quarantine") as r:
        assert send(r, "a@null.example", user, "bad-1@test")[0] == 250
        assert send(r, "a@good.example", user, "good-1@test")[0] == 250
        assert junk(product, user, 1) == ["bad-1@test"]
        assert any(b"\\Junk" in line and line.endswith(b'"Junk"') for line in client.list()[1])
        # The gateway is told of this mailbox, as its own look is far away.
        idler = Idler(product, user)
        assert b"* 1 EXISTS" in idler.command('SELECT "Junk"')
        idler.idle()
        assert send(r, "a@null.example", user, "bad-2@test")[0] == 250
        idler.wait_announcement(60)
        idler.done()
        assert r.metric('postbus_smtp_quarantined_total{check="require_mx_record"}') == 2
        assert r.logged("smtp.objected .*check=require_mx_record policy=quarantine")
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert mail.message_ids(at) == ["good-1@test"]
    assert junk(product, user, 2) == ["bad-1@test", "bad-2@test"]


def test_what_is_ignored_is_delivered_and_noted(product, names):
    user = mail.new_account(product)
    with checking(product, names, require_mx_record="ignore") as r:
        assert send(r, "a@null.example", user, "ignored@test")[0] == 250
        assert r.logged("smtp.objected .*check=require_mx_record policy=ignore")
        assert r.logged("smtp.accepted .*x-return-mx=fail")
    wait_for_messages(inbox(product, user), 1)


def test_a_refusal_has_the_operators_words(product, names):
    user = mail.new_account(product)
    words = "See https://help.example/mx"
    with checking(product, names, require_mx_record=f"reject 554 5.7.1 {words}") as r:
        assert send(r, "a@null.example", user, "refused@test") == (554, f"5.7.1 {words}")
