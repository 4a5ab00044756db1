"""The bus is really used, and nothing depends on it."""
import re
import statistics
import subprocess
import time
import urllib.request

import pytest

import mail
from idle import Idler
from product import ADMIN, Product, wait_for

FAST_S = 0.5  # far below the polls' ten seconds, far above what a hint takes
MESSAGES = 30
MAILBOX_POLL = re.compile(r'^postbus_db_statement_seconds_count{statement="mailbox_poll"} (\d+)',
                          re.M)


@pytest.fixture(scope="module")
def alone():
    with Product(domain="_bus.localhost") as p:
        yield p


def bus_ports(product):
    first = 5551 + product.offset
    return f"{first}:{first + 99}"


def iptables(product, action):
    for direction in ("--dport", "--sport"):
        subprocess.run(["iptables", action, "INPUT", "-p", "tcp", direction, bus_ports(product),
                        "-j", "DROP"], check=True)


def send(product, sender, receiver, number):
    client = mail.smtp(product, sender)
    client.sendmail(sender, [receiver], mail.encrypted(sender, f"{number}@test"))
    client.close()


def transactions(product):
    return int(product.sql("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"))


class Timed:
    """How long it takes from 250 to the announcement in IDLE."""

    def __init__(self, product):
        self.product, self.number = product, 0
        self.sender, self.receiver = mail.new_account(product), mail.new_account(product)
        self.client = Idler(product, self.receiver)

    def announced_after(self, seconds):
        self.number += 1
        self.client.idle()
        send(self.product, self.sender, self.receiver, self.number)
        begin = time.monotonic()
        self.client.wait_announcement(seconds)
        took = time.monotonic() - begin
        self.client.done()
        self.client.fetch_new()
        return took

    def all_announced(self):
        """One message after the other; how long each took, and how many looks at the store
        the gateway meanwhile took by its clock."""
        before = mailbox_polls(self.product)
        took = [self.announced_after(30) for _ in range(MESSAGES)]
        polls = mailbox_polls(self.product) - before
        print(f"{MESSAGES} messages announced after {statistics.median(took) * 1000:.1f} ms "
              f"(median), {max(took) * 1000:.1f} ms (worst), with {polls} polls")
        return took, polls

    def assert_hints(self):
        """Without hints each message waits for a poll of its own."""
        took, polls = self.all_announced()
        assert polls < MESSAGES / 2
        assert statistics.median(took) < FAST_S
        return took

    def wait_for_hints(self):
        """Peers that were cut off connect again after a while."""
        wait_for("a message announced at once", lambda: self.announced_after(30) < FAST_S, 60)
        self.assert_hints()


def mailbox_polls(product):
    url = f"http://127.0.0.1:{product.admin_port('imap-gateway')}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = MAILBOX_POLL.search(answer.read().decode())
    return int(found[1]) if found else 0


def test_hints_alone_carry_the_news():
    """Where every poll is a minute or ten away, thirty messages, one after the other, would
    take them half an hour."""
    with Product(domain="_hints.localhost",
                 options={"queue_poll_ms": 60000, "mailbox_poll_seconds": 600}) as product:
        assert sum(Timed(product).assert_hints()) < 2 * MESSAGES


def test_idle_sessions_cost_the_database_nearly_nothing(alone):
    clients = [Idler(alone, mail.new_account(alone)) for _ in range(100)]
    for client in clients:
        client.idle()
    # Statistics are written some time after what they count: when the logins have settled,
    # two windows in a row must be calm.  Each holds a poll.
    window = 12
    rates = []

    def calm():
        before, begin = transactions(alone), time.monotonic()
        wait_for("a window", lambda: time.monotonic() - begin > window, window + 5)
        rates.append((transactions(alone) - before) / window)
        print(f"{rates[-1]:.1f} transactions a second with {len(clients)} idle sessions")
        return rates[-1] < 20
    wait_for("fewer than 20 transactions a second", calm, 3 * window)
    assert calm()
    Timed(alone).assert_hints()
    for c in clients:
        c.close()


def test_mail_arrives_by_polls_while_the_bus_is_cut(alone):
    timed = Timed(alone)
    timed.wait_for_hints()
    pids = {s: alone.pid(s) for s in ADMIN}
    iptables(alone, "-A")
    try:
        slow = [timed.announced_after(15) for _ in range(4)]
    finally:
        iptables(alone, "-D")
    assert max(slow) > FAST_S, f"the bus was not cut: {slow}"
    timed.wait_for_hints()
    assert pids == {s: alone.pid(s) for s in pids}, "a process was started again"
