"""Gateways that hear nothing of each other: the store alone tells what the other has done."""
import pytest

import mail
from idle import Idler
from product import Product


@pytest.fixture(scope="module")
def deaf():
    with Product(domain="_deaf.localhost", replicas={"imap-gateway": 2},
                 options={"imap_gateway_event_peers": "static:127.0.0.1:1",
                          "mailbox_poll_seconds": 1}) as p:
        yield p


def one_message(product):
    """A session on each gateway that knows the account's only message."""
    user = mail.new_account(product)
    other = mail.imap(product, user, replica=1)
    other.append("INBOX", None, None, mail.encrypted(user, "1@test").encode())
    other.select("INBOX")
    return Idler(product, user), other


def test_store_tells_flags_that_another_gateway_has_set(deaf):
    """Once at most the session looks by itself before one of these: when it is young."""
    client, other = one_message(deaf)
    for flag in r"\Seen", r"\Flagged", r"\Answered":
        other.store("1", "+FLAGS", f"({flag})")
        assert flag.encode() in client.command(f"UID STORE 1 +FLAGS ({flag})")[-1]


def test_close_expunges_what_another_gateway_has_marked_as_well(deaf):
    client, other = one_message(deaf)
    for _ in range(3):
        other.store("1", "+FLAGS", r"(\Deleted)")
        client.command(r"UID STORE 1:* +FLAGS.SILENT (\Deleted)")
        client.command("CLOSE")
        other.append("INBOX", None, None, b"a: b\r\n\r\n")
        other.noop()
        assert b"* 1 EXISTS" in client.command("SELECT INBOX")


def test_fetch_tells_seen_that_another_gateway_has_set(deaf):
    client, other = one_message(deaf)
    other.store("1", "+FLAGS", r"(\Seen)")
    assert rb"FLAGS (\Seen)" in client.command("FETCH 1 BODY[]")[-1]


def test_who_idles_in_a_deleted_mailbox_hears_it_by_the_poll(deaf):
    user = mail.new_account(deaf)
    other = mail.imap(deaf, user, replica=1)
    other.create("x")
    other.create("y")
    client, beside = Idler(deaf, user), Idler(deaf, user)
    client.command("SELECT x")
    beside.command("SELECT y")
    # A young session looks by itself; the poll is what is left after that.
    for idler in client, beside:
        idler.idle()
    other.append("x", None, None, b"a: b\r\n\r\n")
    client.wait_announcement(10)
    other.delete("x")
    client.socket.settimeout(10)
    assert client.line() == b"* BYE Mailbox was deleted"
    other.append("y", None, None, b"a: b\r\n\r\n")
    assert beside.wait_announcement(10) < 10
