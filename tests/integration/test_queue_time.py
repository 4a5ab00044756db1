"""What only time brings about in the queue, with the clock of everything moved.

One product whose worker is killed by a certain message, and whose way to another host ends
at a closed port.
"""
import os
import pathlib
import re
import secrets
import signal
import smtplib
import subprocess

import pytest

import mail
import moved_clock
from moved_clock import Clock
from product import Product, free_port, wait_for

OVERDUE_S = 30
LIFETIME_S = 3600


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    shim = folder / "poison.so"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wall", "-Werror", "-o", shim,
                    pathlib.Path(__file__).with_name("poison.c")], check=True)
    clock = Clock(folder)
    variables = clock.environment()
    variables["LD_PRELOAD"] = f"{shim} {variables['LD_PRELOAD']}"
    options = {"queue_attempts": 2, "queue_poll_ms": 200, "retry_min_seconds": 1,
               "retry_max_seconds": 1, "maximal_queue_lifetime": LIFETIME_S,
               "routes": f"_gone.test=127.0.0.1:{free_port()}"}
    with Product(domain="_time.localhost", options=options,
                 arguments=moved_clock.arguments(variables)) as product:
        product.clock = clock
        yield product


def deaths(product):
    return sum(line.startswith("queue-worker stopped (signal SIGKILL)") for line in product.output)


def count(product, table):
    return int(product.sql(f"SELECT count(*) FROM {table}"))


def inbox(product, user):
    client = mail.imap(product, user)
    client.select("INBOX")
    return client


def test_a_message_that_kills_its_worker_is_set_aside_and_all_others_are_delivered(hurried):
    sender, receiver = mail.new_account(hurried), mail.new_account(hurried)
    poison = f"poison{secrets.token_hex(2)[:3]}@{hurried.domain}"
    mail.imap(hurried, poison).logout()
    client = mail.smtp(hurried, sender)

    def send(message_id, to):
        client.sendmail(sender, [to], mail.encrypted(sender, f"{message_id}@test"))

    send("before", receiver)
    wait_for("the one before", lambda: inbox(hurried, receiver).select("INBOX")[1] == [b"1"])
    send("deadly", poison)
    wait_for("a first death", lambda: deaths(hurried) > 0)
    for i in range(5):
        send(f"behind-{i}", receiver)

    # Again and again, and those that it took along stay queued: not one is lost or doubled.
    died = deaths(hurried)
    wait_for("another death", lambda: deaths(hurried) > died + 1, 60)
    assert count(hurried, "queue") == 6 and count(hurried, "queue_aside") == 0

    # Overdue once, they are tried once more together; overdue twice, each alone.
    hurried.clock.forward(OVERDUE_S + 1)
    wait_for("all are marked", lambda: hurried.sql("SELECT min(attempts) FROM queue") == "1", 60)
    hurried.clock.forward(OVERDUE_S + 1)
    at = inbox(hurried, receiver)
    wait_for("all others", lambda: at.select("INBOX")[1] == [b"6"], 60)
    assert sorted(mail.message_ids(at)) == ["before@test", *(f"behind-{i}@test" for i in range(5))]
    wait_for("it was alone once", lambda: hurried.sql("SELECT attempts FROM queue") == "2", 60)
    # It kills also whoever would tell its sender.
    hurried.clock.forward(OVERDUE_S + 1)
    wait_for("a last death", lambda: hurried.sql("SELECT attempts FROM queue") == "3", 60)
    hurried.clock.forward(OVERDUE_S + 1)
    wait_for("it is set aside", lambda: count(hurried, "queue_aside") == 1, 60)
    attempts, reason, recipients = hurried.sql(
        "SELECT attempts, reason, rcpt FROM queue_aside").split("|")
    assert (attempts, reason) == ("4", "delivery broke off too often")
    assert poison in recipients and count(hurried, "queue") == 0
    log = (hurried.run / "log/queue-worker.log").read_text()
    assert re.search(r'queue\.set_aside .*queue=[0-9a-f]{16} attempts=4 reason="delivery broke '
                     r'off too often"', log)

    # Nobody dies of it any more.
    hurried.wait_healthy("queue-worker")
    died = deaths(hurried)
    send("after", receiver)
    wait_for("the one after", lambda: at.select("INBOX")[1] == [b"7"])
    assert deaths(hurried) == died
    assert inbox(hurried, poison).select("INBOX")[1] == [b"0"]


def test_what_cannot_be_delivered_for_its_whole_lifetime_is_returned(hurried):
    sender = mail.new_account(hurried)
    mail.smtp(hurried, sender).sendmail(sender, ["bob@_gone.test"],
                                        mail.encrypted(sender, "returned@test"))
    wait_for("two attempts", lambda: hurried.sql("SELECT attempts >= 2 FROM queue_remote") == "t")
    hurried.clock.forward(LIFETIME_S - 300)
    tried = int(hurried.sql("SELECT attempts FROM queue_remote"))
    wait_for("attempts until the end", lambda: hurried.sql(
        f"SELECT attempts > {tried} FROM queue_remote") == "t")
    at = inbox(hurried, sender)
    assert at.select("INBOX")[1] == [b"0"]
    hurried.clock.forward(301)
    wait_for("a report", lambda: at.select("INBOX")[1] == [b"1"], 60)
    text = at.fetch("1", "(RFC822)")[1][0][1]
    assert b"bob@_gone.test" in text and b"returned@test" in text and b"5.4.7" in text
    assert count(hurried, "queue_remote") == 0


def sent(product, client, sender, to, message_id):
    """Mail is refused for a moment after the clock was moved, until all agree about it."""
    try:
        client.sendmail(sender, [to], mail.encrypted(sender, message_id))
    except smtplib.SMTPDataError as e:
        assert e.smtp_code == 451
        return False
    return True


def test_mail_that_came_while_the_clock_was_an_hour_ahead_is_delivered_when_it_is_right(hurried):
    sender, receiver = mail.new_account(hurried), mail.new_account(hurried)
    client = mail.smtp(hurried, sender)
    worker = hurried.pid("queue-worker")
    os.kill(worker, signal.SIGSTOP)
    hurried.clock.forward(3600)
    for i in range(20):
        wait_for("a 250", lambda: sent(hurried, client, sender, receiver, f"{i}@test"))
    hurried.clock.back(3600)
    os.kill(worker, signal.SIGCONT)
    at = inbox(hurried, receiver)
    wait_for("all of them", lambda: at.select("INBOX")[1] == [b"20"])
    assert mail.message_ids(at) == [f"{i}@test" for i in range(20)]
    assert hurried.metric("queue-worker", 'postbus_queue_ahead_total{queue="local"}') == 20
    assert re.search("queue.ahead .*rows=20 ", (hurried.run / "log/queue-worker.log").read_text())
    wait_for("a 250", lambda: sent(hurried, client, sender, receiver, "after@test"))
    wait_for("the next one", lambda: at.select("INBOX")[1] == [b"21"])


def test_what_waits_for_another_host_since_a_clock_40_days_ahead_is_tried_again(hurried):
    days = 40 * 86400
    sender = mail.new_account(hurried)
    client = mail.smtp(hurried, sender)
    at = inbox(hurried, sender)
    hurried.clock.forward(days)
    wait_for("a 250", lambda: sent(hurried, client, sender, "bob@_gone.test", "ahead@test"))
    wait_for("two attempts", lambda: hurried.sql("SELECT attempts >= 2 FROM queue_remote") == "t")
    hurried.clock.back(days)
    tried = int(hurried.sql("SELECT attempts FROM queue_remote"))
    wait_for("another attempt", lambda: hurried.sql(
        f"SELECT attempts > {tried} FROM queue_remote") == "t", 60)
    assert hurried.metric("remote-sender", 'postbus_queue_ahead_total{queue="remote"}') >= 1
    assert re.search("remote.ahead .*rows=1 ", (hurried.run / "log/remote-sender.log").read_text())
    # Its lifetime begins again, and ends.
    assert at.select("INBOX")[1] == [b"0"]
    hurried.clock.forward(LIFETIME_S + 1)
    wait_for("a report", lambda: at.select("INBOX")[1] == [b"1"], 60)
    assert count(hurried, "queue_remote") == 0
