"""No announcement is ever lost, whenever the mail becomes visible."""
import os
import threading

import mail
from idle import Idler

ROUNDS = int(os.environ.get("POSTBUS_IDLE_ROUNDS", "10000"))
PAIRS = 10


def chase(product, number, rounds, failures):
    """Send the next message the moment the previous one is fetched: it becomes visible
    somewhere between the fetch, STORE, CLOSE, SELECT and IDLE."""
    sender, receiver = mail.new_account(product), mail.new_account(product)
    smtp = mail.smtp(product, sender, replica=number % 2)
    client = Idler(product, receiver, replica=number % 2)
    wanted, sent = 0, 0

    def send():
        nonlocal sent
        smtp.sendmail(sender, [receiver], mail.encrypted(sender, f"{sent}@test"))
        sent += 1

    send()
    try:
        while wanted < rounds:
            ids = client.fetch_new()
            for message in ids:
                assert message == str(wanted), f"got {message} instead of {wanted}"
                wanted += 1
            thread = None
            if ids and sent < rounds:
                thread = threading.Thread(target=send)
                thread.start()
            if not ids:
                client.idle()
                client.wait_announcement(8)  # below the ten seconds of the poll
                client.done()
            if thread:
                thread.join()
    except Exception as e:
        failures.append(f"pair {number}, message {wanted}: {e!r}")


def test_every_message_is_announced_at_once(wide):
    failures = []
    threads = [threading.Thread(target=chase, args=(wide, n, ROUNDS // PAIRS, failures))
               for n in range(PAIRS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures


def test_another_gateway_tells_of_flags_and_expunges(wide):
    user = mail.new_account(wide)
    other = mail.imap(wide, user, replica=1)
    other.select("INBOX")
    client = Idler(wide, user)
    client.idle()
    other.append("INBOX", None, None, mail.encrypted(user, "1@test").encode())
    client.wait_announcement(5)
    client.socket.settimeout(5)
    other.noop()
    other.store("1", "+FLAGS", r"(\Flagged)")
    assert b"\\Flagged" in client.line()
    other.store("1", "+FLAGS", r"(\Deleted)")
    assert b"\\Deleted" in client.line()
    other.expunge()
    assert client.line() == b"* 1 EXPUNGE"


def test_a_keepalive_breaks_the_silence():
    from product import Product
    with Product(domain="_alive.localhost", options={"idle_keepalive_seconds": 1}) as product:
        client = Idler(product, mail.new_account(product))
        client.idle()
        assert client.line() == b"* OK Still here"
        assert client.line() == b"* OK Still here"
        client.done()
