"""The way to PostgreSQL: what is said when there is none, TLS, several hosts, a standby that
becomes the primary under load."""
import os
import signal
import smtplib
import subprocess
import threading

import pytest

import ledger
import mail
from beside import Beside, running
from postgres_server import Server
from product import BUILD, Product, free_port, wait_for

WRONG = {
    "database_port": (free_port(), "No such file or directory (database_host, database_port)"),
    "database_host": ("127.0.0.9", "Connection refused (database_host, database_port)"),
    "database_name": ("elsewhere", "does not exist (database_name)"),
    "database_user": ("nobody", "authentication failed for user"),
    "database_password_file": ("/etc/hostname", "(database_user, database_password_file)"),
}


def migrate(environment):
    """Exit status and what it says."""
    done = subprocess.run([BUILD / "postbusctl", "migrate", "--wait", "0"], env=environment, text=True,
                          capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("option", WRONG)
def test_what_is_wrong_with_the_way_is_named(product, option):
    value, reason = WRONG[option]
    with running(product, "queue-worker", ready=False, **{option: value}) as r:
        wait_for("the reason", lambda: reason in r.admin("/readyz"))
        wait_for("the reason in the log", lambda: reason in r.log.read_text())
        assert "service.missing what=" in r.log.read_text()
    status, text = migrate(Beside(product, "queue-worker", {option: value}).environment)
    assert status == 1 and reason in text


def test_a_name_that_nobody_knows(product):
    with running(product, "queue-worker", ready=False, database_host="pg.nowhere.example") as r:
        wait_for("the reason", lambda: "no address for pg.nowhere.example: " in r.admin("/readyz"))
        assert "(database_host)" in r.admin("/readyz")


def test_a_commit_of_which_nobody_knows_is_answered_by_silence():
    """PostgreSQL has committed, waits for a standby that does not come, and dies: 250 could be
    a lie, and 4xx would double the message."""
    with Product(domain="_doubt.localhost") as p:
        user, heard = mail.new_account(p), []
        client = mail.smtp(p, user)
        p.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        p.sql("SELECT pg_reload_conf()")

        def send():
            try:
                client.sendmail(user, [user], mail.encrypted(user))
            except smtplib.SMTPException as error:
                heard.append(error)
        sending = threading.Thread(target=send)
        sending.start()
        wait_for("the commit that waits", lambda: p.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' "
            "AND usename = 'postbus_smtp_ingress'") == "1")
        os.kill(p.process.pid, signal.SIGSTOP)  # nobody starts it again
        try:
            p.kill("postgres", signal.SIGQUIT)
            sending.join(60)
        finally:
            conf = p.run / "postgres/postgresql.auto.conf"
            conf.write_text(conf.read_text().replace("'nobody'", "''"))
            os.kill(p.process.pid, signal.SIGCONT)
        assert [type(e) for e in heard] == [smtplib.SMTPServerDisconnected], heard
        p.wait_healthy("imap-gateway", 90)
        box = mail.imap(p, user)
        wait_for("the message", lambda: box.select("INBOX")[1] == [b"1"], 60)


# --- TLS --------------------------------------------------------------------------------

HBA = """
local all all trust
hostssl all postbus_janitor 127.0.0.0/8 cert
hostssl all all 127.0.0.0/8 trust
"""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)


def certificate(folder, name, subject, extension=()):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={subject}", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", *extension)
    (folder / f"{name}.key").chmod(0o600)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=another", "-keyout", "other.key", "-out", "other.crt")
    certificate(folder, "server", "server", ("-addext", "subjectAltName=IP:127.0.0.2"))
    certificate(folder, "janitor", "postbus_janitor")
    return folder


@pytest.fixture(scope="module")
def secure(keys):
    server = Server("127.0.0.2", free_port(), hba=HBA,
                    settings={"ssl": "on", "listen_addresses": "127.0.0.2,127.0.0.3"},
                    files={"ssl_cert_file": keys / "server.crt", "ssl_key_file": keys / "server.key",
                           "ssl_ca_file": keys / "ca.crt"})
    server.create()
    with server:
        server.sql("CREATE DATABASE postbus", "postgres")
        yield server


def way(secure, keys, **options):
    return {"database_host": "127.0.0.2", "database_port": secure.port, "database_password_file": None,
            "database_sslmode": "verify-full", "database_ca_file": keys / "ca.crt",
            "database_user": "postbus_owner", **options}


@pytest.mark.parametrize("options, reason", [
    ({"database_sslmode": "disable"}, "no encryption (database_user, and pg_hba.conf"),
    ({"database_ca_file": "other.crt"}, "certificate verify failed (database_sslmode and its files)"),
    ({"database_ca_file": "none.crt"}, "none.crt\" does not exist (database_sslmode and its files)"),
    ({"database_host": "127.0.0.3"}, "does not match host name \"127.0.0.3\" (database_sslmode"),
    ({"database_user": "postbus_janitor"}, "client certificate (database_user, and pg_hba.conf"),
], ids=lambda o: next(iter(o)) if isinstance(o, dict) else "")
def test_tls_that_is_refused_is_explained(product, secure, keys, options, reason):
    options = {k: keys / v if str(v).endswith(".crt") else v for k, v in options.items()}
    status, text = migrate(Beside(product, "janitor", way(secure, keys, **options)).environment)
    assert status == 1 and reason in text, text


def test_a_service_behind_tls_by_its_own_certificate(product, secure, keys):
    status, text = migrate(Beside(product, "janitor", way(secure, keys)).environment)
    assert status == 0, text
    me = {"database_user": "postbus_janitor", "database_certificate_file": keys / "janitor.crt",
          "database_key_file": keys / "janitor.key"}
    with running(product, "janitor", **way(secure, keys, **me)):
        assert secure.sql("SELECT DISTINCT ssl, client_dn FROM pg_stat_ssl JOIN pg_stat_activity "
                          "USING (pid) WHERE usename = 'postbus_janitor'") == "t|/CN=postbus_janitor"
    # verify-ca takes another name for the host, and prefer no more than what it gets.
    for mode, host in (("verify-ca", "127.0.0.3"), ("prefer", "127.0.0.3")):
        with running(product, "janitor", **way(secure, keys, **me, database_sslmode=mode, database_host=host)):
            pass
    (keys / "janitor.key").chmod(0o644)
    with running(product, "janitor", ready=False, **way(secure, keys, **me)) as r:
        wait_for("the reason", lambda: "has group or world access" in r.admin("/readyz"))
    (keys / "janitor.key").chmod(0o600)


# --- several hosts ----------------------------------------------------------------------

class OnTwoHosts(Product):
    """A product whose database is elsewhere."""

    def __init__(self, servers, **more):
        self.servers = servers
        super().__init__(**more)

    def sql(self, statement):
        return next(s for s in self.servers if s.process.poll() is None and s.is_primary()).sql(statement)


def drop(action, address):
    for direction in ("-s", "-d"):
        subprocess.run(["iptables", action, "INPUT", direction, address, "-j", "DROP"], check=True)


@pytest.fixture
def vanish():
    """The machine with this address is not there any more: nobody even refuses."""
    gone = []
    yield lambda address: (drop("-A", address), gone.append(address))
    for address in gone:
        drop("-D", address)


@pytest.mark.parametrize("how", ["stops", "vanishes"])
def test_a_standby_is_promoted_under_load_and_nothing_is_lost(vanish, how):
    """Synchronous replication: what was acknowledged is on both.  The primary goes without a
    word, the standby becomes the primary, and nobody tells the services."""
    port = free_port()
    primary, standby = Server("127.0.0.2", port), Server("127.0.0.3", port)
    primary.create()
    with primary:
        primary.sql("CREATE DATABASE postbus", "postgres")
        standby.copy(primary)
        with standby:
            primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            primary.sql("SELECT pg_reload_conf()")
            wait_for("synchronous replication", lambda: "sync" == primary.sql(
                "SELECT sync_state FROM pg_stat_replication"))

            def fail_over():
                if how == "vanishes":
                    vanish(primary.address)
                primary.stop()
                standby.promote()
            options = {**ledger.OPTIONS, "database_host": "127.0.0.2,127.0.0.3", "database_port": port}
            with OnTwoHosts([primary, standby], domain="_hosts.localhost", replicas=ledger.REPLICAS,
                            options=options) as product:
                users = [mail.new_account(product) for _ in range(ledger.ACCOUNTS)]
                book = ledger.Ledger()
                assert ledger.round_of_kills(product, users, book, 400, 2, [fail_over, lambda: None]) == 2
                assert standby.is_primary() and primary.process.poll() is not None
                lost, doubled = ledger.judge(product, users, book)
                assert (lost, doubled, book.problems) == ([], [], [])
