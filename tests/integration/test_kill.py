"""Nothing acknowledged is lost, nothing is doubled, whatever is killed."""
import pathlib
import signal
import subprocess
import threading

import pytest

import ledger
import mail
from product import Product, wait_for


def test_two_rounds_of_kills():
    assert ledger.run(rounds=2, acknowledged=400, kills=7)


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Killer:
    """Kills a process when one of its threads begins its number-th call of a kind."""

    def __init__(self, pid, call, number):
        self.tracer = subprocess.Popen(
            ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
             f"inject={call}:signal=KILL:when={number}", "-p", str(pid)],
            stderr=subprocess.PIPE, text=True)
        assert "attached" in self.tracer.stderr.readline()

    def end(self, pid):
        """Whether it struck; if not, the process goes on without it."""
        if is_alive(pid) and self.tracer.poll() is None:
            self.tracer.send_signal(signal.SIGINT)
        self.tracer.communicate(timeout=30)
        return not is_alive(pid)


# How a thread speaks with the database (the first two), other threads and the client.
CALLS = ["sendto", "recvfrom", "write"]
STEPS = 10


def die_at(product, service, call, number, send_one):
    """Sends one message; whether the service died of it."""
    pid, killers = product.pid(service), []

    def attach():
        if not killers:  # only the first attempt is disturbed
            killers.append(Killer(pid, call, number))

    send_one(attach)
    wait_for("the delivery", lambda: product.sql("SELECT count(*) FROM queue") == "0", 60)
    if not killers[0].end(pid):
        return False
    wait_for("a new process", lambda: product.pid(service) != pid, 60)
    product.wait_healthy(service)
    return True


# A worker's polls would move the count: what it says is said for the message.
@pytest.mark.parametrize("service, poll_ms", [("smtp-ingress", 500), ("queue-worker", 60000)])
def test_killed_before_each_step(service, poll_ms):
    """One message at a time, and the service dies at its first, second, third ... word after
    the message has begun to come."""
    options = {**ledger.OPTIONS, "queue_poll_ms": poll_ms}
    with Product(domain="_steps.localhost", options=options) as product:
        users = [mail.new_account(product) for _ in range(2)]
        book, stop = ledger.Ledger(), threading.Event()

        def send_one(attach):
            ledger.send_one(product, None, users[0], [users[1]], book, stop, attach).close()

        for call in CALLS:
            deaths = 0
            while deaths < STEPS and die_at(product, service, call, deaths + 1, send_one):
                deaths += 1
            print(f"{service}: died at each of its first {deaths} calls of {call}")
            assert deaths > 0
        lost, doubled = ledger.judge(product, users, book)
        print(f"acknowledged={len(book.acknowledged)} ambiguous={len(book.ambiguous)}")
        assert (lost, doubled, book.problems) == ([], [], [])
