"""The bus is really used, and nothing depends on it."""
import subprocess
import time

import pytest

import mail
from idle import Idler
from product import Product, wait_for


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
        return rates[-1] < 20
    wait_for("fewer than 20 transactions a second", calm, 4 * window)
    sender = mail.new_account(alone)
    receiver = mail.new_account(alone)
    client = Idler(alone, receiver)
    client.idle()
    send(alone, sender, receiver, 1)
    assert client.wait_announcement(2) < 2
    for c in clients:
        c.close()


def test_mail_arrives_by_polls_while_the_bus_is_cut(alone):
    sender, receiver = mail.new_account(alone), mail.new_account(alone)
    client = Idler(alone, receiver)
    number = 0

    def announced_within(seconds):
        nonlocal number
        number += 1
        client.idle()
        begin = time.monotonic()
        send(alone, sender, receiver, number)
        client.wait_announcement(seconds)
        took = time.monotonic() - begin
        client.done()
        client.fetch_new()
        return took

    assert announced_within(2) < 1
    pids = {s: alone.pid(s) for s in ("smtp-ingress", "queue-worker", "imap-gateway")}
    iptables(alone, "-A")
    try:
        for _ in range(3):
            assert announced_within(15) < 15
    finally:
        iptables(alone, "-D")
    wait_for("hints again", lambda: announced_within(15) < 0.5, 60)
    assert announced_within(2) < 0.5
    assert pids == {s: alone.pid(s) for s in pids}, "a process was started again"
