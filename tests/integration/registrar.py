"""Registrars of other configurations beside the product's, on its database, and what is said
to them.  Who imports the fixtures has them for its own module."""
import contextlib
import http.client
import os
import signal
import socket
import subprocess

import pytest

import mail
from product import BUILD, free_port, wait_for

STANDARD = {"public_host": "", "public_imaps_port": 993, "public_imap_port": 143,
            "public_submissions_port": 465, "public_submission_port": 587,
            "public_https_port": 443}
# The files of its certificate are added by `issued`.
TRUSTED = {"mail_domain": "chat.example", "trusted_proxies": "127.0.0.1", **STANDARD}
INVITE = "DCACCOUNT:https://chat.example/new"
OUTSIDE = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https"}


class Registrar:
    """Where a registrar listens, and the configuration it runs with."""

    def __init__(self, product, options):
        self.http, self.https, self.admin = free_port(), free_port(), free_port()
        secrets = product.run / "secrets"
        values = {
            "mail_domain": product.domain, "listen_address": "127.0.0.1",
            "http_port": self.http, "https_port": self.https,
            "admin_address": "127.0.0.1", "admin_port": self.admin,
            "bus_address": "127.0.0.1", "bus_work_port": free_port(),
            "bus_event_port": free_port(), "database_host": product.run / "pg",
            "database_password_file": secrets / "postbus_registrar",
            "cluster_secret_file": secrets / "cluster_secret",
            "tls_certificate_file": secrets / "tls.crt", "tls_key_file": secrets / "tls.key",
            "max_load_1m": 0, "min_free_disk_space": "1M", "nocreate_file": "", **options}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTBUS_")}
        self.environment.update({f"POSTBUS_{k.upper()}": str(v) for k, v in values.items()})

    def connect(self, tls=False):
        if tls:
            return http.client.HTTPSConnection("127.0.0.1", self.https, timeout=30,
                                               context=mail.tls())
        return http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)

    def ask(self, method, path, headers=None, body=None, tls=False):
        """Status, headers, body."""
        connection = self.connect(tls)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def listens(self):
        """HTTPS is the last port that is opened."""
        socket.create_connection(("127.0.0.1", self.https), timeout=30).close()
        return True

    def raw(self, request):
        """What comes back for exactly these bytes, up to the end of the JSON."""
        with socket.create_connection(("127.0.0.1", self.https), timeout=30) as plain:
            with mail.tls().wrap_socket(plain) as s:
                s.sendall(request)
                answer = b""
                while not answer.rstrip().endswith(b"}"):
                    piece = s.recv(4096)
                    assert piece, answer
                    answer += piece
        return answer

    def terminal(self):
        return subprocess.run([BUILD / "registrar", "--print-invite"], env=self.environment,
                              check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def running(product, **options):
    r = Registrar(product, options)
    log = open(product.run / "log" / f"registrar-{r.http}.log", "ab")
    process = subprocess.Popen([BUILD / "registrar"], env=r.environment, stderr=log)
    try:
        wait_for("the registrar listens", lambda: process.poll() is not None or r.listens())
        assert process.poll() is None, "the registrar stopped, see its log"
        yield r
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()
    assert process.returncode == 0


def openssl(folder, *words):
    subprocess.run(["openssl", *words], check=True, cwd=folder, capture_output=True)


@pytest.fixture(scope="module", autouse=True)
def issued(tmp_path_factory):
    """A certificate that an authority issued, and its files among the options of TRUSTED."""
    folder = tmp_path_factory.mktemp("issued")
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split()
    openssl(folder, *new, "-subj", "/CN=Authority", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(folder, *new, "-subj", "/CN=chat.example", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-addext", "subjectAltName=DNS:chat.example", "-keyout", "tls.key", "-out", "tls.crt")
    TRUSTED.update(certificate_in(folder))
    return folder


def certificate_in(folder):
    return {"tls_certificate_file": folder / "tls.crt", "tls_key_file": folder / "tls.key"}


@pytest.fixture(scope="module")
def trusted(product):
    with running(product, **TRUSTED) as r:
        yield r


@pytest.fixture(scope="module")
def local(product):
    """As `make run` configures it: other ports, and a certificate nobody can verify."""
    with running(product, public_host="127.0.0.1",
                 public_imaps_port=product.port(2993),
                 public_submissions_port=product.port(2465)) as r:
        yield r


def page_of(r, path="/", **how):
    status, headers, body = r.ask("GET", path, **how)
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    return body.decode()


PROXY_BYTES = 16 + 12


def proxied(client, request):
    """A request as a TCP proxy passes it on: PROXY protocol version 2, IPv4."""
    addresses = socket.inet_aton(client) + socket.inet_aton("192.0.2.80") + b"\x30\x39\x00\x50"
    return (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + len(addresses).to_bytes(2, "big") + addresses
            + request)


def exchange(port, data, tls=False, proxied=True):
    """Everything that comes back; the request must end the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        if tls and proxied:
            s.sendall(data[:PROXY_BYTES])  # TLS begins behind the PROXY header
            data = data[PROXY_BYTES:]
        if tls:
            s = mail.tls().wrap_socket(s)
        s.sendall(data)
        answer = b""
        while piece := s.recv(4096):
            answer += piece
        return answer
