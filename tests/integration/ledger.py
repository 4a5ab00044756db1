"""Accounting under fire: what was acknowledged by 250 against what can be fetched.

    ledger.py [--rounds 2] [--acknowledged 600] [--kills 8] [--victims smtp-ingress,...]

Each message has a Message-ID of its own.  It is acknowledged only by a 250 that was read.
After anything else it is sent again under the same id; an attempt is ambiguous if the final
dot had gone out and the connection died unanswered.  While senders send and readers read,
services and PostgreSQL's backends are killed with SIGKILL.  At the end of each round every
mailbox is read.

    lost     acknowledged, but not in a recipient's mailbox
    doubled  more copies in a mailbox than one and the message's ambiguous attempts explain
    wrong    there although every attempt was refused, with somebody who is no recipient,
             under a UID that had another message, not counted by EXISTS or by the quota
"""
import argparse
import os
import random
import secrets
import signal
import smtplib
import subprocess
import sys
import threading
import time

import mail
from product import Product, wait_for

ACCOUNTS = 10
REPLICAS = {"smtp-ingress": 2, "imap-gateway": 2, "queue-worker": 2}
VICTIMS = ["smtp-ingress", "smtp-ingress-2", "queue-worker", "queue-worker-2",
           "imap-gateway", "imap-gateway-2", "postgres backend"]
OPTIONS = {"max_user_send_per_minute": 1000000, "max_user_send_burst_size": 1000000,
           "queue_poll_ms": 500}
ROUND_DEADLINE_S, SETTLE_S = 240, 90


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged, self.recipients, self.ambiguous = set(), {}, {}
        self.problems = []

    def acknowledge(self, message_id):
        with self.lock:
            self.acknowledged.add(message_id)

    def doubt(self, message_id):
        with self.lock:
            self.ambiguous[message_id] = self.ambiguous.get(message_id, 0) + 1

    def problem(self, text):
        with self.lock:
            self.problems.append(text)


def submit(client, sender, recipients, text, before_data):
    """True by 250, False by a refusal; OSError or SMTPServerDisconnected otherwise, with
    .after_dot telling whether the server may have the whole message."""
    for code, _ in (client.mail(sender), *(client.rcpt(r) for r in recipients),
                    client.docmd("DATA")):
        if code >= 400:
            return False
    before_data()
    try:
        client.send(text.encode() + b".\r\n")
        code, _ = client.getreply()
        return code == 250
    except (OSError, smtplib.SMTPException) as error:
        error.after_dot = True
        raise


def connect(product, user, stop):
    while not stop.is_set():
        try:
            return mail.smtp(product, user, replica=product.any_replica("smtp-ingress"))
        except (OSError, smtplib.SMTPException):
            stop.wait(0.05)
    return None


def send_one(product, client, user, others, ledger, stop, before_data=lambda: None):
    """Until it is acknowledged; returns the connection to go on with."""
    message_id = f"{secrets.token_hex(12)}@ledger"
    text = mail.encrypted(user, message_id, size=random.choice((300, 3000, 30000)))
    with ledger.lock:
        ledger.recipients[message_id] = others
    while not stop.is_set():
        if client is None:
            client = connect(product, user, stop)
            continue
        try:
            if submit(client, user, others, text, before_data):
                ledger.acknowledge(message_id)
                return client
        except (OSError, smtplib.SMTPException) as error:
            if hasattr(error, "after_dot"):
                ledger.doubt(message_id)
        client.close()
        client = None
    return client


def sender(product, user, users, ledger, stop):
    client = None
    while not stop.is_set():
        others = random.sample(users, random.choice((1, 1, 1, 3)))
        client = send_one(product, client, user, others, ledger, stop)
    if client:
        client.close()


def reader(product, user, ledger, stop):
    """Read like a client that keeps its UIDs: ascending, and each with one message."""
    seen, client = {}, None
    while not stop.is_set():
        try:
            if client is None:
                client = mail.imap(product, user, replica=product.any_replica("imap-gateway"))
                client.select("INBOX")
            client.noop()
            first = max(seen, default=0) + 1
            _, data = client.uid("FETCH", f"{first}:*",
                                 "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            for uid, message_id in parse(data):
                if seen.setdefault(uid, message_id) != message_id:
                    ledger.problem(f"{user}: UID {uid} was {seen[uid]}, is {message_id}")
        except Exception:
            client = None
            stop.wait(0.05)
        stop.wait(0.01)


def parse(data):
    for part in data:
        if isinstance(part, tuple):
            words = part[0].decode().replace("(", " ").split()
            yield (int(words[words.index("UID") + 1]),
                   part[1].decode().split("<")[1].split(">")[0])


def backends(product):
    postmaster = str(product.pid("postgres"))
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", postmaster],
                           capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in found if " postbus_" in line]


def kill(product, victim):
    """A victim is the name of a process, or a function that sees to it."""
    try:
        if callable(victim):
            victim()
        elif victim == "postgres backend":
            os.kill(random.choice(backends(product)), signal.SIGKILL)
        else:
            product.kill(victim)
        return True
    except (OSError, IndexError, ValueError):
        return False  # it is being started again at this moment


def read_all(product, user, ledger):
    """{Message-ID: its UIDs}; what EXISTS and the quota say must fit."""
    client = mail.imap(product, user)
    exists = int(client.select("INBOX")[1][0])
    _, data = client.uid("FETCH", "1:*", "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    found, size, count = {}, 0, 0
    for part in data:
        if isinstance(part, tuple):
            words = part[0].decode().replace("(", " ").split()
            size += int(words[words.index("RFC822.SIZE") + 1])
    for uid, message_id in parse(data):
        found.setdefault(message_id, []).append(uid)
        count += 1
    _, quota = client.getquotaroot("INBOX")
    used = int(quota[1][0].decode().split("STORAGE ")[1].split()[0])
    client.logout()
    if exists != count:
        ledger.problem(f"{user}: EXISTS says {exists}, there are {count}")
    if abs(used - size / 1024) > 1:
        ledger.problem(f"{user}: quota says {used} KiB, messages are {size / 1024:.1f}")
    return found


def judge(product, users, ledger):
    """Returns (lost, doubled) after the queue has run empty."""
    wait_for("the queue is empty", lambda: product.sql("SELECT count(*) FROM queue") == "0",
             SETTLE_S)
    lost, doubled = [], []
    for user in users:
        box = read_all(product, user, ledger)
        for message_id in ledger.acknowledged:
            if user in ledger.recipients[message_id] and message_id not in box:
                lost.append((message_id, user))
        for message_id, uids in box.items():
            explained = ledger.ambiguous.get(message_id, 0) + (message_id in ledger.acknowledged)
            if user not in ledger.recipients.get(message_id, ()):
                ledger.problem(f"{user} is no recipient of {message_id}")
            elif explained == 0:
                ledger.problem(f"{message_id} was refused, yet {user} has it")
            elif len(uids) > explained:
                doubled.append((message_id, user, uids))
    return lost, doubled


def round_of_kills(product, users, ledger, wanted, kills, victims):
    """A kill after every wanted/kills acknowledged messages: something is always in flight,
    and what was killed has served again before its turn comes."""
    stop = threading.Event()
    before = len(ledger.acknowledged)
    threads = [threading.Thread(target=sender, args=(product, u, users, ledger, stop))
               for u in users]
    threads += [threading.Thread(target=reader, args=(product, u, ledger, stop)) for u in users]
    for t in threads:
        t.start()
    done, until = 0, time.monotonic() + ROUND_DEADLINE_S
    try:
        while len(ledger.acknowledged) - before < wanted or done < kills:
            stop.wait(random.uniform(0.01, 0.05))
            due = (len(ledger.acknowledged) - before) * kills // wanted
            if due > done and kill(product, victims[done % len(victims)]):
                done += 1
            if time.monotonic() > until:
                raise AssertionError(f"only {len(ledger.acknowledged) - before} messages "
                                     f"acknowledged and {done} kills in {ROUND_DEADLINE_S} s")
    finally:
        stop.set()
        for t in threads:
            t.join(60)
    return done


def run(rounds, acknowledged, kills, victims=VICTIMS):
    with Product(domain="_ledger.localhost", replicas=REPLICAS, options=OPTIONS) as product:
        users = [mail.new_account(product) for _ in range(ACCOUNTS)]
        ledger, killed = Ledger(), 0
        for number in range(rounds):
            killed += round_of_kills(product, users, ledger, acknowledged, kills,
                                     victims)
            for name in ("smtp-ingress", "imap-gateway", "queue-worker"):
                product.wait_healthy(name)
                product.wait_healthy(name + "-2")
            lost, doubled = judge(product, users, ledger)
            print(f"round {number + 1}: acknowledged={len(ledger.acknowledged)} kills={killed} "
                  f"ambiguous={len(ledger.ambiguous)} lost={len(lost)} doubled={len(doubled)} "
                  f"wrong={len(ledger.problems)}", flush=True)
            if lost or doubled or ledger.problems:
                print("lost:", lost[:5], "doubled:", doubled[:5], "wrong:", *ledger.problems[:5],
                      sep="\n")
                print(product.logs(), file=sys.stderr)
                return False
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--acknowledged", type=int, default=600, help="messages a round, at least")
    parser.add_argument("--kills", type=int, default=8, help="a round, at least")
    parser.add_argument("--victims", default=",".join(VICTIMS), help="what is killed, in turn")
    a = parser.parse_args()
    sys.exit(0 if run(a.rounds, a.acknowledged, a.kills, a.victims.split(",")) else 1)
