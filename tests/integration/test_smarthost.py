"""Mail that goes by a route: a real SMTP host on a port of its own carries it on."""
import contextlib
import os
import signal
import socketserver
import ssl
import subprocess
import threading

import pytest

import beside
import mail
from product import BUILD, Product, free_port, wait_for

PER_DESTINATION = 2


class Session(socketserver.StreamRequestHandler):
    """Dead domains are refused for now at RCPT; at those that stall it says nothing more."""

    def handle(self):
        server = self.server
        server.count(1)
        with contextlib.suppress(OSError, ssl.SSLError):
            self.converse(server)
        server.count(-1)

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def start_tls(self):
        self.say("220 go")
        secured = self.server.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = secured.makefile("rb"), secured.makefile("wb", 0)

    def converse(self, server):
        encrypted, rcpt = False, []
        self.say("220 relay ESMTP")
        while words := self.rfile.readline().decode().split():
            verb = words[0].upper()
            if verb == "EHLO":
                self.say("250-relay\r\n250 PIPELINING" if encrypted else "250-relay\r\n250 STARTTLS")
            elif verb == "STARTTLS":
                self.start_tls()
                encrypted = True
            elif verb == "MAIL":
                assert encrypted
                rcpt = []
                self.say("250 ok")
            elif verb == "RCPT":
                address = words[1][len("TO:<"):-1]
                if address.endswith("@stall.test"):
                    server.stalled.set()
                    server.go.wait()
                    return
                if address.endswith("@dead.test"):
                    server.refused += 1
                    self.say("451 4.4.1 that one does not answer")
                else:
                    rcpt.append(address)
                    self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go")
                data = b"".join(iter(self.rfile.readline, b".\r\n"))
                if not rcpt:
                    self.say("554 nobody")
                    continue
                number = server.take(rcpt, data)
                self.say(f"250 taken as {number}")
            else:
                self.say("221 bye" if verb == "QUIT" else "250 ok")


class Relay(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 50

    def __init__(self, pair):
        super().__init__(("127.0.0.1", 0), Session)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(*pair)
        self.lock, self.port = threading.Lock(), self.server_address[1]
        self.stalled, self.go = threading.Event(), threading.Event()
        self.taken, self.open, self.most, self.refused = [], 0, 0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass

    def count(self, n):
        with self.lock:
            self.open += n
            self.most = max(self.most, self.open)

    def take(self, rcpt, data):
        with self.lock:
            self.taken += [(address, data) for address in rcpt]
            return len(self.taken)

    def got(self, address):
        with self.lock:
            return sum(a == address for a, _ in self.taken)


@pytest.fixture(scope="module")
def sending(tmp_path_factory):
    folder = tmp_path_factory.mktemp("relay")
    pair = folder / "crt", folder / "key"
    subprocess.run([BUILD / "postbusctl", "cert", "--domain", "relay.test", "--address", "127.0.0.1",
                    "--certificate", pair[0], "--key", pair[1]], check=True)
    relays = Relay(pair), Relay(pair)
    options = {
        "routes": f"*=smtp://127.0.0.1:{relays[0].port},_own.test=127.0.0.1:{relays[1].port}, "
                  f"_gone.test=smtp://127.0.0.1:{free_port()} [127.0.0.1]=mx",
        "remote_per_destination": PER_DESTINATION, "remote_command_seconds": 60,
        "retry_min_seconds": 1, "retry_max_seconds": 2, "queue_poll_ms": 200,
        "max_user_send_burst_size": 1000, "max_user_send_per_minute": 100000}
    with Product(domain="_smarthost.localhost", options=options) as product:
        yield product, *relays
    for relay in relays:
        relay.go.set()
        relay.shutdown()


def send(product, user, *recipients):
    client = mail.smtp(product, user)
    client.sendmail(user, recipients, mail.encrypted(user))
    client.quit()


def rows(product, domain):
    return int(product.sql(f"SELECT count(*) FROM queue_remote WHERE domain = '{domain}'"))


def test_each_domain_goes_its_way_once(sending):
    """By the smarthost whatever has no route of its own, without a look at the DNS."""
    product, relay, own = sending
    user = mail.new_account(product)
    send(product, user, "a@one.test", "b@two.test", "c@_own.test", "d@[192.0.2.1]")
    wait_for("all are taken", lambda: len(relay.taken) >= 3 and own.taken)
    wait_for("an empty queue", lambda: product.sql("SELECT count(*) FROM queue_remote") == "0")
    assert sorted(a for a, _ in relay.taken) == ["a@one.test", "b@two.test", "d@[192.0.2.1]"]
    assert [a for a, _ in own.taken] == ["c@_own.test"]
    assert product.metric("remote-sender",
                          'postbus_remote_connections_total{transport="smarthost"}') >= 2
    for _, data in relay.taken + own.taken:
        assert data.startswith(b"Received:") and b"BEGIN PGP MESSAGE" in data


def test_a_way_of_its_own_for_one_domain_is_that_of_its_mx(sending):
    product, relay, _ = sending
    user = mail.new_account(product)
    send(product, user, "a@[127.0.0.1]")
    at_user = mail.imap(product, user)
    wait_for("a bounce", lambda: at_user.select("INBOX")[1] == [b"1"])
    assert b"its address is private" in at_user.fetch("1", "(RFC822)")[1][0][1]
    assert not relay.got("a@[127.0.0.1]")


def test_many_domains_share_the_connections_of_a_smarthost(sending):
    product, relay, _ = sending
    user = mail.new_account(product)
    recipients = [f"x@d{i}.test" for i in range(60)]
    relay.most = relay.open
    for i in range(0, 60, 20):
        send(product, user, *recipients[i:i + 20])
    wait_for("all are taken", lambda: all(map(relay.got, recipients)), 60)
    assert all(relay.got(r) == 1 for r in recipients)
    assert relay.most <= PER_DESTINATION


def test_one_dead_domain_delays_no_other(sending):
    """Neither behind the same smarthost nor where the host of a route is dead."""
    product, relay, own = sending
    user = mail.new_account(product)
    send(product, user, *(f"x{i}@dead.test" for i in range(5)))
    send(product, user, "x@_gone.test")
    wait_for("a refusal", lambda: relay.refused >= 5)
    send(product, user, "y@alive.test", "y@_own.test")
    wait_for("the others", lambda: relay.got("y@alive.test") and own.got("y@_own.test"), 15)
    for domain, error in (("dead.test", "that one does not answer"),
                          ("_gone.test", "Failed to connect to any mail server")):
        wait_for("two attempts", lambda: product.sql(
            f"SELECT 1 FROM queue_remote WHERE domain = '{domain}' AND attempts >= 2 "
            f"AND last_error LIKE '%{error}%'"))
    product.sql("DELETE FROM queue_remote")


def test_a_domain_whose_messages_stall_holds_up_itself(sending):
    """Rows that were claimed together, on fewer connections than there are such messages."""
    product, relay, _ = sending
    user = mail.new_account(product)
    os.kill(product.pid("remote-sender"), signal.SIGSTOP)
    try:
        for i in range(4):
            send(product, user, f"x{i}@stall.test")
        send(product, user, "z@lively.test", "z@lovely.test")
        wait_for("the rows", lambda: product.sql("SELECT count(*) FROM queue_remote") == "6")
    finally:
        os.kill(product.pid("remote-sender"), signal.SIGCONT)
    wait_for("a message that stalls", relay.stalled.is_set)
    wait_for("the others", lambda: relay.got("z@lively.test") and relay.got("z@lovely.test"))
    assert rows(product, "stall.test") == 4
    assert relay.most <= PER_DESTINATION
    send(product, user, "x9@stall.test")
    send(product, user, "y@lively.test")
    wait_for("one more", lambda: relay.got("y@lively.test"))
    relay.go.set()
    product.sql("DELETE FROM queue_remote")


def test_a_row_of_a_worker_without_routes_goes_by_those_of_the_sender(sending):
    product, relay, own = sending
    user = mail.new_account(product)
    os.kill(product.pid("remote-sender"), signal.SIGSTOP)
    try:
        send(product, user, "old@_own.test", "old@one.test")
        wait_for("the rows", lambda: rows(product, "_own.test") and rows(product, "one.test"))
        os.kill(product.pid("queue-worker"), signal.SIGSTOP)
        # As a worker of an older version makes them, which does not know the column.
        product.sql("UPDATE queue_remote SET transport = NULL")
    finally:
        os.kill(product.pid("remote-sender"), signal.SIGCONT)
    try:
        wait_for("both", lambda: own.got("old@_own.test") and relay.got("old@one.test"))
        wait_for("an empty queue", lambda: product.sql("SELECT count(*) FROM queue_remote") == "0")
    finally:
        os.kill(product.pid("queue-worker"), signal.SIGCONT)
    assert own.got("old@_own.test") == relay.got("old@one.test") == 1


def test_what_waits_follows_when_the_operator_changes_the_route(sending):
    """The sender still has the old routes: the row decides."""
    product, relay, own = sending
    user = mail.new_account(product)
    send(product, user, "moved@_gone.test")
    wait_for("an attempt", lambda: product.sql(
        "SELECT 1 FROM queue_remote WHERE domain = '_gone.test' AND last_error <> ''"))
    os.kill(product.pid("queue-worker"), signal.SIGSTOP)
    try:
        with beside.running(product, "queue-worker",
                            routes=f"_gone.test=smtp://127.0.0.1:{own.port}"):
            wait_for("the new host", lambda: own.got("moved@_gone.test"), 15)
    finally:
        os.kill(product.pid("queue-worker"), signal.SIGCONT)
    wait_for("an empty queue", lambda: rows(product, "_gone.test") == 0)
    assert own.got("moved@_gone.test") == 1 and not relay.got("moved@_gone.test")


def test_nothing_is_lost_when_the_sender_is_killed(sending):
    """What the smarthost had taken and the sender had not noted may come twice, as
    everywhere in SMTP: at most one on each connection of each kill."""
    product, relay, _ = sending
    user = mail.new_account(product)
    recipients = [f"k{i}@k{i % 7}.test" for i in range(120)]
    before = len(relay.taken)
    for i in range(0, 120, 10):
        send(product, user, *recipients[i:i + 10])
        if i in (30, 80):
            product.restart("remote-sender", signal.SIGKILL)
    # Leases of the dead end after two minutes; an operator need not wait for that.
    product.sql("UPDATE queue_remote SET due = now_us() WHERE lease % 2 = 1")
    wait_for("all are taken", lambda: all(map(relay.got, recipients)), 150)
    wait_for("an empty queue", lambda: product.sql("SELECT count(*) FROM queue_remote") == "0", 150)
    doubled = len(relay.taken) - before - len(recipients)
    assert 0 <= doubled <= 2 * PER_DESTINATION
