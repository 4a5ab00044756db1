"""Routing and delivery belong to queue-worker alone, and happen exactly once."""
import itertools
import os
import random
import signal

import mail
from idle import Idler
from product import Product, wait_for


def test_with_all_workers_stopped_mail_is_accepted_and_waits(wide):
    sender, receiver = mail.new_account(wide), mail.new_account(wide)
    client = Idler(wide, receiver)
    client.idle()
    stored = wide.sql("SELECT count(*) FROM message")
    workers = [wide.pid(name) for name in ("queue-worker", "queue-worker-2")]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        smtp = mail.smtp(wide, sender)
        for i in range(20):
            smtp.sendmail(sender, [receiver], mail.encrypted(sender, f"{i}@test"))
        assert wide.sql("SELECT count(*) FROM queue") == "20"
        assert wide.sql("SELECT count(*) FROM message") == stored
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    client.wait_announcement(20)
    client.done()
    got = client.fetch_new()
    while len(got) < 20:
        client.idle()
        client.wait_announcement(20)
        client.done()
        got += client.fetch_new()
    assert sorted(got, key=int) == [str(i) for i in range(20)]
    client.close()


def test_what_one_sends_another_arrives_in_order_whatever_holds_the_workers_up(wide):
    """Over two ingress replicas in turn, each message after the 250 of the one before, while
    one of two workers is always stopped somewhere and the reader keeps the mailbox busy."""
    sender, receiver = mail.new_account(wide), mail.new_account(wide)
    senders = itertools.cycle([mail.smtp(wide, sender, replica=r) for r in (0, 1)])
    reader = mail.imap(wide, receiver)
    reader.select("INBOX")
    workers = [wide.pid(name) for name in ("queue-worker", "queue-worker-2")]
    sent = [f"{i}@test" for i in range(200)]
    try:
        for message_id in sent:
            stopped = random.randrange(2)
            os.kill(workers[1 - stopped], signal.SIGCONT)
            os.kill(workers[stopped], signal.SIGSTOP)
            next(senders).sendmail(sender, [receiver], mail.encrypted(sender, message_id))
            reader.uid("STORE", "1:*", "+FLAGS", random.choice([r"(\Seen)", r"(\Flagged)"]))
            reader.uid("STORE", "1:*", "-FLAGS", r"(\Seen \Flagged)")
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    wait_for("all of them", lambda: reader.select("INBOX")[1] == [b"200"], 60)
    assert mail.message_ids(reader) == sent


def test_a_large_message_to_twenty_people_is_stored_once(product):
    sender = mail.new_account(product)
    people = [mail.new_account(product) for _ in range(20)]
    size = "SELECT pg_database_size('postbus')"
    product.sql("CHECKPOINT")
    before = int(product.sql(size))
    mail.smtp(product, sender).sendmail(sender, people, mail.encrypted(sender, size=750_000))
    for person in people:
        client = mail.imap(product, person)
        wait_for("the message", lambda: client.select("INBOX")[1] == [b"1"])
        client.logout()
    assert int(product.sql(size)) - before < 3_000_000


def test_the_same_recipient_twice_gets_one_copy(product):
    sender, receiver = mail.new_account(product), mail.new_account(product)
    tagged = receiver.replace("@", "+tag@")
    mail.smtp(product, sender).sendmail(sender, [receiver, receiver.upper(), tagged],
                                        mail.encrypted(sender))
    client = mail.imap(product, receiver)
    wait_for("the message", lambda: client.select("INBOX")[1] == [b"1"])
    wait_for("an empty queue", lambda: product.sql("SELECT count(*) FROM queue") == "0")
    assert client.select("INBOX")[1] == [b"1"]


def test_an_early_disconnect_leaves_nothing(product):
    sender, receiver = mail.new_account(product), mail.new_account(product)
    text = mail.encrypted(sender, size=100_000)
    for cut in (0, 1000, len(text)):
        client = mail.smtp(product, sender)
        client.ehlo("[127.0.0.1]")
        client.mail(sender)
        client.rcpt(receiver)
        client.docmd("DATA")
        client.send(text[:cut])
        client.sock.shutdown(2)
        client.close()
    marker = mail.smtp(product, sender)
    marker.sendmail(sender, [receiver], mail.encrypted(sender, "after@test"))
    at = mail.imap(product, receiver)
    wait_for("the marker", lambda: at.select("INBOX")[1] == [b"1"])
    assert mail.message_ids(at) == ["after@test"]
    assert product.sql("SELECT count(*) FROM queue") == "0"


def test_a_report_is_delivered_at_once_not_with_the_next_poll():
    with Product(domain="_poll.localhost", options={"queue_poll_ms": 60000}) as product:
        sender, receiver = mail.new_account(product), mail.new_account(product)
        nobody = mail.new_name(product.domain)
        mail.smtp(product, sender).sendmail(sender, [receiver, nobody], mail.encrypted(sender))
        at = mail.imap(product, sender)
        wait_for("the report", lambda: at.select("INBOX")[1] == [b"1"], 30)
        assert nobody.encode() in at.fetch("1", "(RFC822)")[1][0][1]
