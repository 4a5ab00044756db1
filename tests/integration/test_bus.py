"""The bus is really used, and nothing depends on it."""
import subprocess
import time

import pytest

import mail
from idle import Idler
from product import ADMIN, Product, wait_for

FAST_S = 0.5  # far below the polls' ten seconds, far above what a hint takes


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

    def wait_for_hints(self):
        """Three at once in a row: by the polls, each of them would have to be lucky."""
        def at_once():
            took = [self.announced_after(30) for _ in range(3)]
            print("announced after", " ".join(f"{t * 1000:.1f}" for t in took), "ms")
            return max(took) < FAST_S
        wait_for("three messages announced at once", at_once, 60)


def test_idle_sessions_cost_the_database_nearly_nothing(alone):
    clients = [Idler(alone, mail.new_account(alone)) for _ in range(100)]
    for client in clients:
        client.idle()
    # Statistics are written some time after what they count: let the logins settle.
    window = 15
    rates = []

    def calm():
        before, begin = transactions(alone), time.monotonic()
        wait_for("a window", lambda: time.monotonic() - begin > window, window + 5)
        rates.append((transactions(alone) - before) / window)
        print(f"{rates[-1]:.1f} transactions a second with {len(clients)} idle sessions")
        return rates[-1] < 20
    wait_for("fewer than 20 transactions a second", calm, 4 * window)
    Timed(alone).wait_for_hints()
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
