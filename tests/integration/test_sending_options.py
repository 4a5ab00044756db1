"""Options of queue-worker and remote-sender, seen by hosts that are slow or say nothing."""
import contextlib
import os
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

import mail
from product import BUILD, Product, wait_for

LIFETIME_S = 7000


class Host:
    """A mail host that answers everything once it may, and counts who is connected."""

    def __init__(self, certificate, key):
        self.tls = mail.ssl.SSLContext(mail.ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.go, self.lock = threading.Event(), threading.Lock()
        self.open, self.most, self.delivered = {"busy": 0}, {}, 0
        self.listeners = []

    def listen(self, name):
        s = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.listeners.append(s)
        self.open[name] = self.most[name] = 0
        threading.Thread(target=self.accept, args=(name, s), daemon=True).start()
        return s.getsockname()[1]

    def accept(self, name, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(name, s), daemon=True).start()

    def count(self, name, n):
        with self.lock:
            self.open[name] = self.open.get(name, 0) + n
            self.most[name] = max(self.most.get(name, 0), self.open[name])

    def serve(self, name, s):
        self.count(name, 1)
        with contextlib.suppress(OSError), s:
            if name == "mute":
                s.sendall(b"220 mx ESMTP\r\n")
                while s.recv(4096):  # until the client gives up
                    pass
            else:
                self.converse(s)
        self.count(name, -1)

    def converse(self, s):
        """A connection that is only kept for later messages does not count as busy."""
        self.count("busy", 1)
        busy = True
        self.go.wait()
        s.sendall(b"220 mx ESMTP\r\n")
        lines = s.makefile("rb")
        while verb := lines.readline().split(b" ")[0].strip().upper():
            if verb == b"STARTTLS":
                s.sendall(b"220 go\r\n")
                s = self.tls.wrap_socket(s, server_side=True)
                lines = s.makefile("rb")
            elif verb == b"EHLO":
                s.sendall(b"250-mx\r\n250 STARTTLS\r\n")
            elif verb == b"DATA":
                s.sendall(b"354 go\r\n")
                while lines.readline() not in (b".\r\n", b""):
                    pass
                with self.lock:
                    self.delivered += 1
                self.count("busy", -1)
                busy = False
                s.sendall(b"250 ok\r\n")
            elif verb == b"MAIL" and not busy:
                self.count("busy", 1)
                busy = True
                s.sendall(b"250 ok\r\n")
            else:
                s.sendall(b"250 ok\r\n")

    def close(self):
        self.go.set()
        for s in self.listeners:
            s.close()


def full_backlog(stack):
    """A port whose connections are neither taken nor refused."""
    s = stack.enter_context(socket.socket())
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    for _ in range(3):
        c = stack.enter_context(socket.socket())
        c.setblocking(False)
        c.connect_ex(s.getsockname())
    return s.getsockname()[1]


@pytest.fixture(scope="module")
def sending(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    certificate, key = folder / "crt", folder / "key"
    subprocess.run([BUILD / "postbusctl", "cert", "--domain", "mx.test", "--address", "127.0.0.1",
                    "--certificate", certificate, "--key", key], check=True)
    host = Host(certificate, key)
    with contextlib.ExitStack() as stack:
        stack.callback(host.close)
        routes = {f"_{name}.test": host.listen(name) for name in ("d1", "d2", "d3", "mute")}
        routes["_full.test"] = full_backlog(stack)
        options = {
            "routes": " ".join(f"{d}=127.0.0.1:{p}" for d, p in routes.items()),
            "remote_per_destination": 2, "remote_concurrency": 3, "remote_connect_seconds": 1,
            "remote_command_seconds": 1, "retry_min_seconds": 1, "retry_max_seconds": 2,
            "maximal_queue_lifetime": LIFETIME_S, "queue_batch": 5, "queue_poll_ms": 200,
            "max_mailbox_size": "1M", "max_user_send_burst_size": 1000,
            "max_user_send_per_minute": 100000}
        product = stack.enter_context(Product(domain="_send.localhost", options=options))
        yield product, host


def send(product, user, recipients):
    client = mail.smtp(product, user)
    for recipient in recipients:
        client.sendmail(user, [recipient], mail.encrypted(user))
    client.quit()


def test_connections_to_one_and_to_all_destinations(sending):
    product, host = sending
    user = mail.new_account(product)
    send(product, user, ["x@_d1.test"] * 45)
    wait_for("two connections to the first", lambda: host.open["d1"] == 2)
    send(product, user, ["x@_d2.test", "x@_d3.test"])
    wait_for("three connections in all", lambda: host.open["busy"] == 3)
    wait_for("all are sorted", lambda: product.sql("SELECT count(*) FROM queue") == "0")
    assert product.sql("SELECT max(expires - created) FROM queue_remote") == str(LIFETIME_S)
    host.go.set()
    wait_for("all are delivered", lambda: host.delivered == 47, 60)
    wait_for("an empty queue", lambda: product.sql("SELECT count(*) FROM queue_remote") == "0")
    assert host.most["d1"] == 2
    assert host.most["busy"] == 3


@pytest.mark.parametrize("name", ["mute", "full"])
def test_whom_nobody_answers_is_tried_again_and_not_too_rarely(sending, name):
    """Connecting and waiting for a reply end after a second; waits do not grow past two."""
    product, _ = sending
    user = mail.new_account(product)
    send(product, user, [f"x@_{name}.test"])
    row = f"FROM queue_remote WHERE domain = '_{name}.test'"
    wait_for("some attempts", lambda: product.sql(f"SELECT 1 {row} AND attempts >= 4"), 60)
    assert product.sql(f"SELECT last_error {row}") != ""
    # A claim moves due to the end of its lease, so the wait is looked for between claims.
    wait_for("a short wait", lambda: product.sql(
        f"SELECT 1 {row} AND due / 1000000 - extract(epoch FROM now()) BETWEEN 0 AND 2.5"))


def test_batches_are_bounded(sending):
    """Rows that one transaction wrote have the same xmin."""
    product, _ = sending
    user, other = mail.new_account(product), mail.new_account(product)
    os.kill(product.pid("queue-worker"), signal.SIGSTOP)
    send(product, user, [other] * 40)
    os.kill(product.pid("queue-worker"), signal.SIGCONT)
    client = mail.imap(product, other)
    wait_for("forty messages", lambda: client.select("INBOX")[1] == [b"40"])
    client.logout()
    largest = product.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM message "
                          "GROUP BY xmin::text) AS of_a_transaction")
    assert largest == "5"


def test_over_quota_bounces(sending):
    """What fits is delivered, what does not comes back; judged message by message.  What
    reaches nobody else is not even taken."""
    product, _ = sending
    a, b, c = (mail.new_account(product) for _ in range(3))
    client = mail.smtp(product, a)
    for name, to, size in (("first", [b], 500_000), ("second", [b, c], 500_000),
                           ("third", [b], 10_000)):
        client.sendmail(a, to, mail.encrypted(a, f"{name}@test", size=size))
    at_b = mail.imap(product, b)
    wait_for("what fits", lambda: at_b.select("INBOX")[1] == [b"2"])
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail(a, [b], mail.encrypted(a, "fourth@test", size=500_000))
    assert refused.value.smtp_code == 552
    client.quit()
    at_a = mail.imap(product, a)
    wait_for("a bounce", lambda: at_a.select("INBOX")[1] == [b"1"])
    text = at_a.fetch("1", "(RFC822)")[1][0][1]
    assert b"5.2.2" in text and b"Quota exceeded (mailbox for user is full)" in text
    assert b"second@test" in text and b"BEGIN PGP" not in text
    assert sorted(mail.message_ids(at_b)) == ["first@test", "third@test"]
    kind, text = at_b.append("INBOX", None, None, mail.encrypted(b, size=500_000).encode())
    assert kind == "NO" and text[0].startswith(b"[OVERQUOTA]")
    at_a.logout()
    at_b.logout()
