"""No announcement is ever lost, whenever the mail becomes visible."""
import concurrent.futures
import os
import threading

import pytest

import mail
from idle import Idler
from product import Product

# Far more than ten sessions on a busy machine need, far less than any poll's interval.
AT_ONCE_S = 10
ROUNDS = int(os.environ.get("POSTBUS_TEST_IDLE_ROUNDS", "10000"))
PAIRS = 10
RETURNS = 200


@pytest.fixture(scope="module")
def unpolled():
    """Gateways that do not poll within a test: what no hint tells is never told."""
    with Product(domain="_idle.localhost",
                 replicas={"smtp-ingress": 2, "imap-gateway": 2, "queue-worker": 2},
                 options={"mailbox_poll_seconds": 600, "queue_poll_ms": 60000,
                          "max_user_send_per_minute": 1000000,
                          "max_user_send_burst_size": 1000000}) as p:
        yield p


class Chase:
    """Send the next message the moment the previous one is fetched: it becomes visible
    somewhere between the fetch, STORE, CLOSE, SELECT and IDLE."""

    def __init__(self, product, number, rounds):
        self.sender, self.receiver = mail.new_account(product), mail.new_account(product)
        self.smtp = mail.smtp(product, self.sender, replica=number % 2)
        self.client = Idler(product, self.receiver, replica=number % 2)
        self.number, self.rounds = number, rounds
        self.sent = self.received = 0
        self.announced = self.found = 0  # in IDLE; by SELECT before it
        self.waits = []  # [s] in IDLE
        self.courier = concurrent.futures.ThreadPoolExecutor(1)

    def send(self):
        if self.sent < self.rounds:
            self.sending = self.courier.submit(
                self.smtp.sendmail, self.sender, [self.receiver],
                mail.encrypted(self.sender, f"{self.sent}@test"))
            self.sent += 1

    def take(self):
        ids = self.client.fetch_new(self.send)
        for message in ids:
            assert message == str(self.received), f"got {message}, not {self.received}"
            self.received += 1
        return len(ids)

    def run(self):
        self.send()
        while self.received < self.rounds:
            self.found += self.take()
            if self.received < self.rounds:
                self.client.idle()
                self.waits.append(self.client.wait_announcement(AT_ONCE_S))
                self.client.done()
                self.announced += self.take()
            self.sending.result()


def run(chase, failures):
    try:
        chase.run()
    except Exception as e:
        failures.append(f"pair {chase.number}, message {chase.received}: {e!r}")


def test_every_message_is_announced_at_once(unpolled):
    failures = []
    chases = [Chase(unpolled, n, ROUNDS // PAIRS) for n in range(PAIRS)]
    threads = [threading.Thread(target=run, args=(chase, failures)) for chase in chases]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
    found, announced = sum(c.found for c in chases), sum(c.announced for c in chases)
    waits = sorted(w for c in chases for w in c.waits)
    print(f"{announced} messages announced in IDLE, {found} found by SELECT before it; waited "
          f"{waits[len(waits) // 2] * 1000:.1f} ms (median), {waits[-1] * 1000:.1f} ms (worst)")
    assert found > 0 and announced > 0, "the race was not run"


def test_who_comes_back_misses_nothing(unpolled):
    """Mail that comes while its receiver connects, logs in, selects and begins to idle.  The
    subscription is there from earlier logins, so no look at the store is left to come."""
    sender, receiver = mail.new_account(unpolled), mail.new_account(unpolled)
    smtp, uid_next, announced = mail.smtp(unpolled, sender), 1, 0
    with concurrent.futures.ThreadPoolExecutor(1) as courier:
        def send(number):
            return courier.submit(smtp.sendmail, sender, [receiver],
                                  mail.encrypted(sender, f"{number}@test"))
        for n in range(RETURNS):
            sending = send(n) if n % 4 < 2 else None
            client = Idler(unpolled, receiver, replica=n % 2)
            client.uid_next = uid_next
            sending = sending or send(n)
            if client.told == uid_next:
                client.idle()
                client.wait_announcement(AT_ONCE_S)
                client.done()
                announced += 1
            assert client.fetch_new() == [str(n)]
            uid_next = client.uid_next
            sending.result()
            client.close()
    print(f"{announced} of {RETURNS} messages announced in IDLE")
    assert announced > 0, "the race was not run"


def test_another_gateway_tells_of_flags_and_expunges(unpolled):
    user = mail.new_account(unpolled)
    other = mail.imap(unpolled, user, replica=1)
    other.select("INBOX")
    client = Idler(unpolled, user)
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


def test_select_shows_what_was_acknowledged_elsewhere(unpolled):
    """APPEND's OK on one gateway, then SELECT on the other: the message is there, whether
    a hint has come yet or not."""
    user = mail.new_account(unpolled)
    letter = mail.encrypted(user, "1@test").encode()
    other = mail.imap(unpolled, user, replica=1)
    client = Idler(unpolled, user)
    other.append("INBOX", None, None, letter)
    for _ in range(100):
        client.command("NOOP")
        client.command("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.command("CLOSE")
        other.append("INBOX", None, None, letter)
        assert b"* 1 EXISTS" in client.command('SELECT "INBOX"')


def test_flags_of_others_do_not_stand_amidst_a_fetch(wide):
    """Delta Chat takes the first FETCH response of a UID for the one that it asked for."""
    user = mail.new_account(wide)
    other = mail.imap(wide, user, replica=1)
    other.append("INBOX", None, None, mail.encrypted(user, "1@test").encode())
    other.select("INBOX")
    busy, witness = Idler(wide, user), Idler(wide, user)
    witness.idle()
    for n in range(21):  # an odd number, so that something is left to tell
        other.store("1", "+FLAGS" if n % 2 == 0 else "-FLAGS", r"(\Flagged)")
        assert b"FETCH" in witness.line()  # the hint has reached this gateway
        answers = busy.command("UID FETCH 1:500 (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        assert len(answers) == 1 and b"BODY[HEADER.FIELDS" in answers[0], answers
    assert any(b"FLAGS" in line for line in busy.command("NOOP"))
