"""PostgreSQL crashes before an expunge that was answered has reached the disk."""
import imaplib
import signal
import subprocess

import pytest

import mail
from idle import Idler
from product import Product, wait_for

ATTEMPTS = 5


@pytest.fixture(scope="module")
def product():
    """What is committed relaxed stays in PostgreSQL's memory as long as it can."""
    with Product(domain="_undone.localhost", options={"mailbox_poll_seconds": 1}) as p:
        p.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")
        p.sql("ALTER SYSTEM SET wal_writer_flush_after = '1GB'")
        p.sql("SELECT pg_reload_conf()")
        yield p


def messages(product, user):
    return int(product.sql("SELECT nmsg FROM mailbox m JOIN account a ON m.id = a.id << 18 "
                           f"WHERE addr = '{user}'"))


def answers(product):
    try:
        return product.sql("SELECT 1") == "1"
    except subprocess.CalledProcessError:
        return False


def crash(product):
    old = product.kill("postgres", signal.SIGQUIT)
    wait_for("PostgreSQL runs again",
             lambda: product.pid("postgres") != old and answers(product), 60)


def wait_line(idler, beginning):
    while not idler.line().startswith(beginning):
        pass


def undone_expunge(product):
    """Two sessions that know two messages of three which the store has again."""
    for _ in range(ATTEMPTS):
        user = mail.new_account(product)
        other = mail.imap(product, user)
        for _ in range(3):
            other.append("INBOX", None, None, b"a: b\r\n\r\n")
        other.select("INBOX")
        idler = Idler(product, user)
        idler.idle()
        # The flag reaches the disk with the next append, the expunge with nothing.
        other.store("2", "+FLAGS", r"(\Deleted)")
        other.append("INBOX", None, None, b"a: b\r\n\r\n")
        other.noop()
        assert other.expunge()[1] == [b"2"]
        wait_line(idler, b"* 2 EXPUNGE")
        crash(product)
        if messages(product, user) == 4:
            return user, other, idler
    pytest.fail("PostgreSQL has forgotten no expunge")


def test_open_sessions_see_what_came_back(product):
    user, other, idler = undone_expunge(product)
    wait_line(idler, b"* BYE Removed messages came back after a crash")
    with pytest.raises(imaplib.IMAP4.abort, match="came back after a crash"):
        other.noop()
    again = mail.imap(product, user)
    assert again.select("INBOX")[1] == [b"4"]
