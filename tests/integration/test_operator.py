"""What an operator is told at the start and in trouble: listening, descriptors, certificates,
accounts of another domain, a full disk."""
import contextlib
import re
import resource
import socket
import smtplib
import subprocess

import pytest

import mail
from beside import Beside, running
from product import Product, wait_for


@pytest.mark.parametrize("service, option, address", [
    ("smtp-ingress", "smtp_port", "listen_address"), ("smtp-ingress", "submissions_port", "listen_address"),
    ("imap-gateway", "imap_port", "listen_address"), ("imap-gateway", "imaps_port", "listen_address"),
    ("registrar", "http_port", "listen_address"), ("registrar", "https_port", "listen_address"),
    ("janitor", "admin_port", "admin_address"),
])
def test_who_cannot_listen_says_where_and_why(product, service, option, address):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = Beside(product, service, {option: port}).refuses_to_start()
    assert f"service.listen_failed option={option} address=127.0.0.1 port={port} errno=EADDRINUSE " \
           'reason="Address already in use" advice="' in said
    said = Beside(product, service, {address: "192.0.2.1"}).refuses_to_start()
    assert re.search(r"service.listen_failed option=\w+ address=192.0.2.1 port=\d+ errno=EADDRNOTAVAIL ", said)


def test_a_bus_that_cannot_listen_says_so(product):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = Beside(product, "janitor", {"bus_event_port": port}).refuses_to_start()
    assert "bus_event_port" in said and f"127.0.0.1:{port}: Address already in use (errno 98)" in said


def test_the_admin_port_keeps_descriptors_of_its_own(product):
    """Far more connections than there are descriptors, and the service can still be asked."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with running(product, "smtp-ingress", prefix=("prlimit", "--nofile=500:500"),
                 max_smtp_connections=1000, max_connections_per_network=1000,
                 dkim="off") as r:  # the DNS has descriptors, too
        assert r.logged(r"service.file_limit limit=500 needed=5\d\d\d connections=5\d\d\d advice=")
        with contextlib.ExitStack() as stack:
            for _ in range(700):
                stack.enter_context(socket.create_connection(("127.0.0.1", r.port(2525)), 30))
            assert '"ready":true' in r.admin("/readyz")
            wait_for("those shown out to be gone",
                     lambda: 0 < r.metric('postbus_smtp_sessions{port="smtp"}') < 200)
    with running(product, "smtp-ingress", max_smtp_connections=10) as r:
        assert not r.logged("service.file_limit")


def openssl(folder, *words):
    subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)


def test_a_certificate_of_another_name_is_told_at_the_start(product, tmp_path):
    openssl(tmp_path, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "20", "-subj", "/CN=other.example", "-addext", "subjectAltName=DNS:other.example",
            "-keyout", "key", "-out", "crt")
    files = {"tls_certificate_file": tmp_path / "crt", "tls_key_file": tmp_path / "key"}
    for service in ("smtp-ingress", "imap-gateway", "registrar"):
        with running(product, service, mail_domain="chat.example", public_host="", **files) as r:
            assert r.logged(r"tls.certificate not_after=20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ ")
            assert r.log.read_text().count("tls.certificate_name host=chat.example ") == 1
    with running(product, "imap-gateway", mail_domain="chat.example", public_host="other.example",
                 **files) as r:
        assert not r.logged("tls.certificate_name")


def test_accounts_of_another_domain_are_told_at_the_start(tmp_path):
    with Product(domain="_old.localhost", keep=tmp_path) as p:
        mail.new_account(p)
    with Product(domain="_new.localhost", keep=tmp_path) as p:
        wait_for("the warning", lambda: re.search(
            r"janitor.foreign_accounts accounts=1 mail_domain=_new.localhost advice=",
            (p.run / "log/janitor.log").read_text()))


FULL = """DO $$ BEGIN FOR slot IN 0..31 LOOP EXECUTE format(
    'CREATE TRIGGER full_disk BEFORE INSERT ON body_%s EXECUTE FUNCTION full_disk()',
    lpad(slot::text, 2, '0')); END LOOP; END $$"""


def test_a_full_disk_is_named_in_the_logs():
    with Product(domain="_full.localhost") as p:
        user = mail.new_account(p)
        client = mail.imap(p, user)
        p.sql("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
              "EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")
        p.sql(FULL)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            mail.smtp(p, user).sendmail(user, [user], mail.encrypted(user))
        assert refused.value.smtp_code == 451
        assert client.append("INBOX", None, None, mail.encrypted(user).encode())[0] == "NO"
        assert re.search(r"smtp.not_stored .*rc=retry sqlstate=53100 unknown=0",
                         (p.run / "log/smtp-ingress.log").read_text())
        assert re.search(r'imap.failed .*command="APPEND" rc=retry sqlstate=53100',
                         (p.run / "log/imap-gateway.log").read_text())
