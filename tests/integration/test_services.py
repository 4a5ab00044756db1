"""No service needs another alive; certificates, drain and restarts."""
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


@pytest.mark.parametrize("stopped", list(ADMIN))
def test_with_one_stopped_the_others_live(own, stopped):
    pid = own.pid(stopped)
    os.kill(pid, signal.SIGSTOP)
    try:
        for service in ADMIN:
            if service != stopped:
                assert admin(own, service, "/livez")[0] == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    own.wait_healthy(stopped)


def test_metrics_are_openmetrics(own):
    for service in ADMIN:
        status, text = admin(own, service, "/metrics")
        assert status == 200 and text.endswith("# EOF\n")
        assert f'service="{service}"' in text and "# TYPE postbus_" in text


def test_without_postgresql_services_live_say_so_and_recover(own):
    pid = own.pid("postgres")
    os.kill(pid, signal.SIGKILL)
    for service in ADMIN:
        assert admin(own, service, "/livez")[0] == 200
    for service in ADMIN:
        own.wait_healthy(service, 90)
    user = mail.new_account(own)
    mail.smtp(own, user).sendmail(user, [user], mail.encrypted(user))
    client = mail.imap(own, user)
    wait_for("the message", lambda: client.select("INBOX")[1] == [b"1"])


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


def test_restarts_keep_accounts_and_mail(own):
    user = mail.new_account(own)
    client = mail.imap(own, user)
    client.append("INBOX", None, None, mail.encrypted(user, "kept@test").encode())
    validity = client.status("INBOX", "(UIDVALIDITY UIDNEXT)")
    for service in ("imap-gateway", "postgres"):
        own.restart(service, signal.SIGTERM) if service != "postgres" else own.kill(service)
        own.wait_healthy("imap-gateway", 90)
    client = mail.imap(own, user)
    client.select("INBOX")
    assert mail.message_ids(client) == ["kept@test"]
    assert client.status("INBOX", "(UIDVALIDITY UIDNEXT)") == validity
