"""Forgetting, with the clock moved over everything, PostgreSQL too; or over one service."""
import contextlib
import pathlib
import re
import smtplib
import tempfile

import pytest

import mail
import moved_clock
from beside import running
from idle import Idler
from moved_clock import Clock
from product import Product, wait_for

DAY = 86400


def bodies(product):
    return int(product.sql("SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
                           "WHERE relname ~ '^body_[0-9]+$'"))


def start(keep, days, interval=1):
    return Product(domain="_expiry.localhost", keep=keep,
                   arguments=moved_clock.arguments(
                       moved_clock.environment({"FAKETIME": f"+{days * DAY}s"})),
                   options={"delete_mails_after": 5, "delete_large_after": 2,
                            "delete_inactive_users_after": 30,
                            "expiry_interval_seconds": interval})


def test_messages_and_accounts_are_forgotten(tmp_path):
    with start(tmp_path, 0) as product:
        sender, receiver = mail.new_account(product), mail.new_account(product)
        smtp = mail.smtp(product, sender)
        for i in range(10):
            smtp.sendmail(sender, [receiver], mail.encrypted(sender, f"{i}@test", size=20000))
        smtp.sendmail(sender, [receiver], mail.encrypted(sender, "large@test", size=300_000))
        client = mail.imap(product, receiver)
        wait_for("all messages", lambda: client.select("INBOX")[1] == [b"11"])
        client.store("1:*", "+FLAGS", r"(\Seen)")
        full = bodies(product)
    with start(tmp_path, 3) as product:
        client = mail.imap(product, receiver)
        wait_for("the large one is gone", lambda: client.select("INBOX")[1] == [b"10"], 60)
        assert "large@test" not in mail.message_ids(client)
    with start(tmp_path, 4) as product:
        client = mail.imap(product, receiver)
        wait_for("everything ran", lambda: runs(product) > 7)
        assert client.select("INBOX")[1] == [b"10"]
    with start(tmp_path, 7) as product:
        wait_for("bodies are given back", lambda: bodies(product) < full / 2, 60)
        assert product.sql("SELECT count(*) FROM message") == "0"
        assert product.sql("SELECT count(*) FROM account") == "2"
        mail.imap(product, receiver).logout()
    with start(tmp_path, 35) as product:
        wait_for("the silent account is gone",
                 lambda: product.sql("SELECT count(*) FROM account") == "1", 60)
        assert product.sql("SELECT addr FROM account") == receiver


def runs(product, number=0):
    """Of the janitor's tasks, since that replica was started."""
    found = re.findall(r"^postbus_janitor_runs_total{.*} (\d+)",
                       product.metrics("janitor", number), re.M)
    assert found
    return sum(map(int, found))


def test_a_machine_that_comes_up_a_year_ahead_forgets_nothing(tmp_path):
    with start(tmp_path, 0, 3600) as product:
        user = mail.new_account(product)
        mail.smtp(product, user).sendmail(user, [user], mail.encrypted(user))
        wait_for("the message", lambda: product.sql("SELECT count(*) FROM message") == "1")
        wait_for("a janitor that ran", lambda: runs(product) > 0)
    with start(tmp_path, 366, 3600) as product:
        log = product.run / "log" / "janitor.log"
        wait_for("the jump is told", lambda: "janitor.clock_jumped" in log.read_text())
        assert runs(product) == 0
        assert product.sql("SELECT count(*) FROM message") == "1"
    with start(tmp_path, 0, 3600) as product:
        wait_for("the time is right again", lambda: runs(product) > 0)
        assert mail.imap(product, user).select("INBOX")[1] == [b"1"]


@contextlib.contextmanager
def ingress_at(product, days):
    """One more smtp-ingress, whose clock alone is moved."""
    moved = moved_clock.environment({"FAKETIME": f"{days * DAY:+}s"})
    with running(product, "smtp-ingress", ready=False, environment=moved) as r:
        wait_for("it serves", lambda: r.logged("service.started"))
        wait_for("it complains", lambda: r.logged('service.missing what="clock"'))
        yield r


def test_mail_is_not_forgotten_because_the_clock_of_its_ingress_was_wrong():
    with Product(domain="_wrong.localhost", options={"expiry_interval_seconds": 1}) as product:
        user = mail.new_account(product)
        with ingress_at(product, -21) as r:
            mail.smtp(r, user).sendmail(user, [user], mail.encrypted(user))
        wait_for("the message", lambda: product.sql("SELECT count(*) FROM message") == "1")
        done = runs(product)
        wait_for("everything ran twice", lambda: runs(product) > done + 14)
        assert mail.imap(product, user).select("INBOX")[1] == [b"1"]
        with ingress_at(product, +21) as r, pytest.raises(smtplib.SMTPDataError) as e:
            mail.smtp(r, user).sendmail(user, [user], mail.encrypted(user))
        assert e.value.smtp_code == 451


def test_an_open_idle_session_sees_the_expunge():
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(pathlib.Path(folder))
        # Only the janitor's word can tell the session: its own look is far away.
        with Product(domain="_expire2.localhost",
                     arguments=moved_clock.arguments(clock.environment()),
                     options={"expiry_interval_seconds": 1, "mailbox_poll_seconds": 600}
                     ) as product:
            user = mail.new_account(product)
            client = Idler(product, user)
            client.idle()
            mail.smtp(product, user).sendmail(user, [user], mail.encrypted(user))
            client.wait_announcement(10)
            clock.forward(21 * DAY)
            client.socket.settimeout(30)
            line = client.line()
            while line.startswith(b"* OK"):
                line = client.line()
            assert line == b"* 1 EXPUNGE"


HOLDER = ("SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) "
          "WHERE locktype = 'advisory' AND usename = 'postbus_janitor'")


def janitors_at_work(product, replicas):
    """Those that ran a task since they were started."""
    busy = []
    for number in range(replicas):
        if runs(product, number) > 0:
            busy.append("janitor" if number == 0 else f"janitor-{number + 1}")
    return busy


def test_one_janitor_of_many_works_and_another_takes_over():
    with Product(domain="_rota.localhost", replicas={"janitor": 3},
                 options={"expiry_interval_seconds": 1}) as product:
        busy = wait_for("one that works", lambda: janitors_at_work(product, 3))
        first = product.sql(HOLDER)
        assert len(busy) == 1 and first.isdigit()
        product.kill(busy[0])
        wait_for("another one that works", lambda: product.sql(HOLDER) not in ("", first), 60)
        wait_for("all three run", lambda: len(janitors_at_work(product, 3)) == 1)
