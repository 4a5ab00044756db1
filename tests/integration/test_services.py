"""No service needs another alive; certificates, drain and restarts."""
import contextlib
import imaplib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

import mail
import openmetrics
from idle import Idler
from product import ADMIN, BUILD, Product, wait_for


@pytest.fixture(scope="module")
def own():
    with Product(domain="_svc.localhost") as p:
        yield p


def admin(product, service, path):
    url = f"http://127.0.0.1:{product.admin_port(service)}{path}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


@contextlib.contextmanager
def without(product, name):
    """One process killed, and the supervisor kept from starting it again."""
    os.kill(product.process.pid, signal.SIGSTOP)
    try:
        product.kill(name)
        yield
    finally:
        os.kill(product.process.pid, signal.SIGCONT)


def missing(product, service):
    """What a service says that it misses, in /readyz."""
    status, text = admin(product, service, "/readyz")
    answer = json.loads(text)
    assert answer["ready"] == (status == 200)
    return {entry["what"] for entry in answer["missing"]}


def log_size(product, service):
    return (product.run / "log" / f"{service}.log").stat().st_size


def log_since(product, service, size):
    return (product.run / "log" / f"{service}.log").read_bytes()[size:].decode()


# Who says that it misses whom; everybody else does not need it to be there.
MISSED_BY = {
    "smtp-ingress": {"queue-worker": "smtp_ingress_work_peers"},
    "queue-worker": {"remote-sender": "queue_worker_work_peers",
                     "imap-gateway": "queue_worker_event_peers"},
    "remote-sender": {"queue-worker": "remote_sender_work_peers"},
    "janitor": {"imap-gateway": "janitor_event_peers"},
    "registrar": {s: "registrar_event_peers" for s in ADMIN if s != "registrar"},
    "imap-gateway": {},
}


@pytest.mark.parametrize("killed", list(ADMIN))
def test_with_one_stopped_the_others_live_and_say_what_they_miss(own, killed):
    sizes = {s: log_size(own, s) for s in ADMIN}
    with without(own, killed):
        for service, peers in MISSED_BY[killed].items():
            wait_for(f"{service} says that it misses {peers}",
                     lambda: peers in missing(own, service)
                     and peers in log_since(own, service, sizes[service]))
        for service in ADMIN:
            if service != killed:
                assert admin(own, service, "/livez")[0] == 200
                assert admin(own, service, "/readyz")[0] == 200
    own.wait_healthy(killed)
    for service, peers in MISSED_BY[killed].items():
        wait_for(f"{service} has {peers} again", lambda: peers not in missing(own, service))


def test_metrics_are_openmetrics(own):
    for service in ADMIN:
        url = f"http://127.0.0.1:{own.admin_port(service)}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text, kind = answer.read().decode(), answer.headers["Content-Type"]
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        families = openmetrics.parse(text)
        assert all(name.startswith("postbus_") for name in families)
        assert {"HELP", "TYPE"} <= set.intersection(*(set(f.meta) for f in families.values()))
        (labels, one), = ((dict(pairs), value) for (_, pairs), value
                          in families["postbus_build_info"].samples.items())
        assert labels["service"] == service and labels["version"] and one == 1
        assert any(f.meta["TYPE"] == "histogram" for f in families.values())


def test_the_reader_of_metrics_is_strict():
    openmetrics.parse(openmetrics.GOOD)
    for old, new in openmetrics.WRONG:
        assert old in openmetrics.GOOD
        with pytest.raises(openmetrics.Invalid):
            openmetrics.parse(openmetrics.GOOD.replace(old, new, 1))
            print("taken:", repr(old), repr(new))


def test_without_postgresql_services_live_say_so_and_recover(own):
    sizes = {s: log_size(own, s) for s in ADMIN}
    with without(own, "postgres"):
        for service in ADMIN:
            wait_for(f"{service} says that it misses the database",
                     lambda: any("database" in what for what in missing(own, service))
                     and "database" in log_since(own, service, sizes[service]))
            assert admin(own, service, "/livez")[0] == 200
            assert admin(own, service, "/readyz")[0] == 503
    for service in ADMIN:
        own.wait_healthy(service, 90)
    user = mail.new_account(own)
    mail.smtp(own, user).sendmail(user, [user], mail.encrypted(user))
    client = mail.imap(own, user)
    wait_for("the message", lambda: client.select("INBOX")[1] == [b"1"])


def test_health_is_asked_where_the_configuration_says(own, tmp_path):
    port = own.admin_port("janitor")
    file = tmp_path / "postbus.ini"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("POSTBUS_")}

    def health(text, **environment):
        file.write_text(text)
        return subprocess.run([BUILD / "postbusctl", "health"], capture_output=True, text=True,
                              env={**clean, "POSTBUS_CONFIG": str(file), **environment})

    assert health(f"admin_port = {port}\n").returncode == 0
    assert health("admin_port = 1\n", POSTBUS_ADMIN_PORT=str(port)).returncode == 0
    assert health("", POSTBUS_DEFAULT_ADMIN_PORT=str(port)).returncode == 0
    assert health(f"admin_address =\nadmin_port = {port}\n").returncode == 0
    asked = health("admin_port = 1\n")
    assert (asked.returncode, "nobody answers at 127.0.0.1 port 1" in asked.stderr) == (1, True)
    asked = health("admin_prot = 1\n")
    assert (asked.returncode, "no such option" in asked.stderr) == (2, True)


def served_certificate(product, port):
    raw = socket.create_connection(("127.0.0.1", product.port(port)), 10)
    with mail.tls().wrap_socket(raw, server_hostname=product.domain) as s:
        return s.getpeercert(binary_form=True)


def test_a_new_certificate_is_served_while_open_sessions_live_on(own):
    client = Idler(own, mail.new_account(own))
    client.idle()
    before = {port: served_certificate(own, port) for port in (2993, 2465, 8443)}
    fresh = own.run / "fresh"
    subprocess.run([BUILD / "postbusctl", "cert", "--domain", own.domain, "--address",
                    "127.0.0.1", "--certificate", f"{fresh}.crt", "--key", f"{fresh}.key"],
                   check=True)
    shutil.move(f"{fresh}.key", own.run / "secrets/tls.key")
    shutil.move(f"{fresh}.crt", own.run / "secrets/tls.crt")
    wanted = ssl.PEM_cert_to_DER_cert((own.run / "secrets/tls.crt").read_text())
    for port, old in before.items():
        assert old != wanted
        wait_for(f"the new certificate on {port}",
                 lambda: served_certificate(own, port) == wanted, 60)
    client.done()
    client.command("NOOP")


def test_drain_says_goodbye(own):
    client = Idler(own, mail.new_account(own))
    client.idle()
    smtp = mail.smtp(own, mail.new_account(own))
    own.kill("imap-gateway", signal.SIGTERM)
    line = client.line()
    while not line.startswith(b"* BYE"):
        line = client.line()
    own.kill("smtp-ingress", signal.SIGTERM)
    assert smtp.getreply()[0] == 421
    own.wait_healthy("imap-gateway")
    own.wait_healthy("smtp-ingress")


@pytest.mark.parametrize("restarted", ["imap-gateway", "smtp-ingress", "queue-worker", "postgres"])
def test_restarts_keep_accounts_and_mail(own, restarted):
    user = mail.new_account(own)
    client = mail.imap(own, user)
    client.append("INBOX", None, None, mail.encrypted(user, "kept@test").encode())
    validity = client.status("INBOX", "(UIDVALIDITY UIDNEXT)")
    if restarted == "postgres":
        old = own.kill("postgres", signal.SIGINT)
        wait_for("PostgreSQL runs again", lambda: own.pid("postgres") != old, 60)

        def works():
            try:
                return mail.imap(own, user)
            except imaplib.IMAP4.error:
                return None
        client = wait_for("a login", works, 90)
    else:
        own.restart(restarted)
        client = mail.imap(own, user)
    client.select("INBOX")
    assert mail.message_ids(client) == ["kept@test"]
    assert client.status("INBOX", "(UIDVALIDITY UIDNEXT)") == validity
    mail.smtp(own, user).sendmail(user, [user], mail.encrypted(user, "new@test"))
    wait_for("another message", lambda: client.select("INBOX")[1] == [b"2"])
