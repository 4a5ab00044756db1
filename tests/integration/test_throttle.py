"""So many messages a minute to one destination: what is over waits, and nothing else does."""
import pathlib
import subprocess
import sys

import pytest

import mail
from product import BUILD, ROOT, Product, free_port, wait_for

PER_MINUTE = 6  # one at once, and one every ten seconds
PATIENCE_S = 90


class Hosts:
    """Two mail hosts with a journal each."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: free_port() for name in ("_crowded.test", "_other.test")}
        for name in self.ports:
            key, certificate = folder / "key", folder / "crt"
            subprocess.run([BUILD / "postbusctl", "cert", "--domain", name, "--address", "127.0.0.1",
                            "--certificate", certificate, "--key", key], check=True)
            (folder / f"{name}.pem").write_text(key.read_text() + certificate.read_text())
            key.unlink()
            certificate.unlink()
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "tests/integration/fake_mx.py", folder,
             *(f"{name}=127.0.0.1:{port}" for name, port in self.ports.items())],
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def took(self, name):
        journal = self.folder / f"{name}.journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return lines.count("tls DATA")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def throttled(tmp_path_factory):
    hosts = Hosts(pathlib.Path(tmp_path_factory.mktemp("hosts")))
    options = {"routes": " ".join(f"{d}=127.0.0.1:{p}" for d, p in hosts.ports.items()),
               "remote_per_destination_per_minute": PER_MINUTE}
    try:
        with Product(domain="_throttle.localhost", options=options) as product:
            yield product, hosts
    finally:
        hosts.stop()


def test_what_is_over_the_rate_waits_alone(throttled):
    """And comes by itself, as what has not been tried yet."""
    product, hosts = throttled
    user = mail.new_account(product)
    client = mail.smtp(product, user)
    for _ in range(3):
        client.sendmail(user, ["x@_crowded.test"], mail.encrypted(user))
    waiting = ("SELECT count(*) || ' ' || coalesce(max(attempts), 0) || ' ' || "
               "coalesce(string_agg(last_error, ''), '') FROM queue_remote "
               "WHERE domain = '_crowded.test' AND lease > 0 AND lease % 2 = 0 AND "
               "due - now_us() BETWEEN 0 AND 10 * 1000000")
    wait_for("one that is put off, untried", lambda: product.sql(waiting) in ("1 0", "2 0"))
    client.sendmail(user, ["x@_other.test"], mail.encrypted(user))
    client.quit()
    wait_for("the other domain's", lambda: hosts.took("_other.test") == 1)
    assert hosts.took("_crowded.test") >= 1
    wait_for("all have come", lambda: hosts.took("_crowded.test") == 3, PATIENCE_S)
    wait_for("an empty queue", lambda: product.sql("SELECT count(*) FROM queue_remote") == "0")
    assert product.sql("SELECT count(*) FROM queue_failed") == "0"
    assert 1 <= product.metric("remote-sender", "postbus_remote_throttled_total") <= 6
    log = (product.run / "log" / "remote-sender.log").read_text()
    assert log.count("remote.sent") == log.count("attempt=1 ") == 4
