"""The registrar: accounts by HTTP, pages, and codes that a stranger's reader can read.

Modes that differ by configuration run as registrars of their own beside the product's,
on its database.
"""
import contextlib
import html
import http.client
import imaplib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse
import xml.etree.ElementTree

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


def read_code(tmp_path, name, picture):
    file = tmp_path / name
    file.write_bytes(picture)
    return subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file],
                          check=True, capture_output=True).stdout.decode().removesuffix("\n")


def picture_of(lines):
    """The terminal's half blocks, on a dark background, as a picture."""
    halves = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    rows, scale = [], 4
    for line in lines:
        for half in (0, 1):
            row = b"".join(bytes([halves[c][half]]) * scale for c in line)
            rows += [row] * scale
    return b"P5 %d %d 255\n" % (len(rows[0]), len(rows)) + b"".join(rows)


def svg_in(page):
    return re.search(r"<svg.*?</svg>", page, re.S).group(0).encode()


def link_in(page):
    return html.unescape(re.search(r'class="button" href="([^"]+)"', page).group(1))


def page_of(r, path="/", **how):
    status, headers, body = r.ask("GET", path, **how)
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    return body.decode()


def codes(r, tmp_path):
    """The text of each code that is shown, read from the pictures."""
    page, terminal = page_of(r), r.terminal().splitlines()
    assert read_code(tmp_path, "page.svg", svg_in(page)) == link_in(page)
    shown = read_code(tmp_path, "terminal.pgm", picture_of(terminal[:-1]))
    assert shown == terminal[-1]
    return [link_in(page), shown,
            read_code(tmp_path, "code.png", r.ask("GET", "/qr.png")[2]),
            read_code(tmp_path, "code.svg", r.ask("GET", "/qr.svg")[2])]


def login(email, password, host, port):
    client = imaplib.IMAP4_SSL(host, int(port), ssl_context=mail.tls(), timeout=30)
    client.login(email, password)
    client.logout()


def dclogin(text):
    """Address and parameters of a dclogin: text, as the client takes it apart."""
    address, query = text.removeprefix("dclogin:").split("?", 1)
    values = {k: v[0] for k, v in urllib.parse.parse_qs(query, strict_parsing=True).items()}
    return urllib.parse.unquote(address), values


# --- codes ------------------------------------------------------------------------------

def test_one_invitation_for_all_where_certificates_are_trusted(trusted, tmp_path):
    assert codes(trusted, tmp_path) == [INVITE] * 4


@pytest.mark.parametrize("options, text", [
    ({"public_https_port": 8443}, "dcaccount:chat.example"),
])
def test_invitation_without_http(product, tmp_path, options, text):
    with running(product, **{**TRUSTED, **options}) as r:
        assert codes(r, tmp_path) == [text] * 4


def test_a_new_account_in_each_code_elsewhere(product, local, tmp_path):
    seen = set()
    for text in codes(local, tmp_path):
        address, values = dclogin(text)
        password = values.pop("p")
        assert values == {"v": "1", "ic": "3", "is": "ssl", "ss": "ssl",
                          "ih": "127.0.0.1", "ip": str(product.port(2993)),
                          "sh": "127.0.0.1", "sp": str(product.port(2465))}
        assert re.fullmatch(rf"[a-z0-9]{{9}}@{re.escape(product.domain)}", address)
        assert len(password) >= 20
        seen |= {address, password}
        login(address, password, values["ih"], values["ip"])
    assert len(seen) == 8
    with pytest.raises(imaplib.IMAP4.error):
        login(address, password + "x", values["ih"], values["ip"])


def says_self_signed(r, tmp_path):
    """Everything that people and programs are told fits a certificate nobody can verify."""
    for text in codes(r, tmp_path):
        address, values = dclogin(text)
        assert address.endswith("@chat.example") and len(values.pop("p")) >= 20
        assert values == {"v": "1", "ic": "3", "is": "ssl", "ss": "ssl", "ih": "chat.example",
                          "ip": "993", "sh": "chat.example", "sp": "465"}
    for method in ("GET", "POST"):
        status, headers, body = r.ask(method, "/new")
        assert status == 200 and headers["Cache-Control"] == "no-store"
        made = json.loads(body)
        assert dclogin(made["dclogin_url"])[0] == made["email"]
    assert "self-signed" in page_of(r, "/info")
    assert r.ask("GET", "/.well-known/mta-sts.txt")[0] == 404
    assert "Strict-Transport-Security" not in r.ask("GET", "/", tls=True)[1]


def says_issued(r, tmp_path):
    assert codes(r, tmp_path) == [INVITE] * 4
    status, headers, _ = r.ask("GET", "/new")
    assert (status, headers["Location"]) == (301, "dcaccount:https://chat.example/new")
    assert set(json.loads(r.ask("POST", "/new")[2])) == {"email", "password"}
    assert "self-signed" not in page_of(r, "/info")
    assert b"mode: enforce" in r.ask("GET", "/.well-known/mta-sts.txt")[2]
    assert "Strict-Transport-Security" in r.ask("GET", "/", tls=True)[1]


def put_certificate(source, folder):
    """The key first, each in one step; a registrar that looks in between keeps what it has."""
    for name in ("tls.key", "tls.crt"):
        shutil.copy(source / name, folder / "new")
        (folder / "new").rename(folder / name)


def test_the_certificate_decides_for_any_domain_and_is_followed(product, issued, tmp_path):
    """A name like any other with a self-made certificate, and with one of an authority;
    then they are swapped while the registrars run."""
    made = product.run / "secrets"
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder, source in zip(folders, (made, issued)):
        folder.mkdir()
        put_certificate(source, folder)
    with running(product, **{**TRUSTED, **certificate_in(folders[0])}) as one, \
            running(product, **{**TRUSTED, **certificate_in(folders[1])}) as other:
        says_self_signed(one, tmp_path)
        says_issued(other, tmp_path)
        put_certificate(issued, folders[0])
        put_certificate(made, folders[1])
        wait_for("both are followed", lambda: INVITE == link_in(page_of(one))
                 and link_in(page_of(other)).startswith("dclogin:"), 60)
        says_issued(one, tmp_path)
        says_self_signed(other, tmp_path)


def test_picture_is_large_enough_and_kept_only_if_it_is_for_all(trusted, local):
    for r, keep in ((trusted, "max-age=300"), (local, "no-store")):
        _, headers, png = r.ask("GET", "/qr.png")
        assert headers["Content-Type"] == "image/png" and headers["Cache-Control"] == keep
        assert int.from_bytes(png[16:20], "big") >= 384
        assert r.ask("GET", "/qr.svg")[1]["Content-Type"] == "image/svg+xml"


# --- accounts ---------------------------------------------------------------------------

@pytest.mark.parametrize("request_head", [
    "POST https://_chat.test/new HTTP/1.1\r\nhost: _chat.test\r\n\r\n",
    "POST /new HTTP/1.1\r\nHost: chat.example\r\n\r\n",
    "POST /new?from=code HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 0\r\n\r\n",
    "POST /cgi-bin/newemail.py HTTP/1.1\r\nHost: chat.example\r\n\r\n",
    "POST /new HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
])
def test_each_form_of_the_request_gets_an_account(product, local, request_head):
    answer = local.raw(request_head.encode())
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200") and b"application/json" in head
    made = json.loads(body)
    assert set(made) == {"email", "password", "dclogin_url"}
    assert dclogin(made["dclogin_url"])[0] == made["email"]
    login(made["email"], made["password"], "127.0.0.1", product.port(2993))


def test_get_new(trusted, local):
    status, headers, _ = trusted.ask("GET", "/new", tls=True)
    assert (status, headers["Location"]) == (301, "dcaccount:https://chat.example/new")
    status, headers, body = local.ask("GET", "/new")
    assert status == 200 and headers["Cache-Control"] == "no-store"
    assert json.loads(body)["email"].count("@") == 1
    assert set(json.loads(trusted.ask("POST", "/new")[2])) == {"email", "password"}


def post(r, client):
    status, headers, body = r.ask("POST", "/new", {"X-Forwarded-For": client,
                                                   "X-Forwarded-Proto": "https"})
    return status, headers, json.loads(body)


def test_rate_limit_is_for_a_network_behind_the_trusted_proxy(product):
    with running(product, **TRUSTED, new_accounts_burst=3, new_accounts_per_minute=1) as r:
        assert [post(r, "198.51.100.1")[0] for _ in range(4)] == [200, 200, 200, 429]
        status, headers, body = post(r, "198.51.100.1")
        assert status == 429 and 0 < int(headers["Retry-After"]) <= 60 and body["reason"]
        assert post(r, "198.51.100.2")[0] == 200
        # An IPv6 client owns its whole /64, and not the next one.
        assert [post(r, f"2001:db8::{i}")[0] for i in range(1, 5)] == [200, 200, 200, 429]
        assert post(r, "2001:db8:0:1::1")[0] == 200


def test_nobody_else_is_believed_about_addresses(product):
    options = {**TRUSTED, "trusted_proxies": "192.0.2.1"}
    with running(product, **options, new_accounts_burst=2, new_accounts_per_minute=1) as r:
        assert [post(r, f"198.51.100.{i}")[0] for i in range(3)] == [200, 200, 429]


def test_private_addresses_are_given_no_more_than_they_may_make(product):
    """The whole server counts: here somebody else has made them."""
    with running(product, **TRUSTED, new_private_accounts_per_hour=3) as r:
        try:
            product.sql("UPDATE private_accounts SET hour = now_unix() / 3600, made = 2")
            assert post(r, "192.168.7.1")[0] == 200
            product.sql("UPDATE private_accounts SET made = 3")
            status, headers, body = wait_for("a refusal", lambda: (
                answer := post(r, "192.168.7.1"))[0] == 429 and answer, every=0.3)
            assert int(headers["Retry-After"]) > 0 and "in this hour" in body["reason"]
            assert post(r, "198.51.100.1")[0] == 200
        finally:
            product.sql("UPDATE private_accounts SET hour = 0")


def hands_out_nothing(r, status):
    """Nowhere a code or a link to one, and each answer says why."""
    for method, path in (("POST", "/new"), ("GET", "/new")):
        answer = r.ask(method, path)
        assert answer[0] == status and "server" in json.loads(answer[2])["reason"]
        assert "Location" not in answer[1] and b"@" not in answer[2]
    for path in ("/qr.png", "/qr.svg"):
        answer = r.ask("GET", path)
        assert answer[0] == status and b"<h1>" in answer[2] and b"<svg" not in answer[2]
    page = page_of(r)
    assert "<svg" not in page and not re.search("(?i)dclogin|dcaccount|scan the code", page)


@pytest.mark.parametrize("how", [TRUSTED, {}])
def test_closed_while_the_file_exists(product, tmp_path, how):
    file = tmp_path / "nocreate"
    with running(product, **how, nocreate_file=file) as r:
        assert r.ask("POST", "/new")[0] == 200 and "Open in Delta Chat" in page_of(r)
        assert "exists from its first login" in page_of(r, "/info")
        file.touch()
        hands_out_nothing(r, 403)
        assert "no new profiles" in json.loads(r.ask("POST", "/new")[2])["reason"]
        assert "No new profiles" in page_of(r)
        info = page_of(r, "/info")
        assert "Closed: no new profiles" in info
        assert "from its first login" not in info and "code on the start" not in info
        assert re.fullmatch("no new profiles: .*nocreate_file exists\n", r.terminal())
        file.unlink()
        assert r.ask("POST", "/new")[0] == 200
        assert r.ask("GET", "/qr.png")[0] == 200 and "█" in r.terminal()


def test_closed_by_option_and_by_overload(product):
    with running(product, **TRUSTED, registration_open="false") as r:
        hands_out_nothing(r, 403)
        assert "registration_open" in r.terminal()
    with running(product, **{**TRUSTED, "min_available_memory": "900G"}) as r:
        hands_out_nothing(r, 503)
        status, headers, body = r.ask("POST", "/new")
        assert status == 503 and headers["Retry-After"] and json.loads(body)["reason"]
        assert "very busy" in page_of(r)


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


def test_proxy_protocol_on_both_ports(product):
    ask = b"POST /new HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with running(product, **{**TRUSTED, "proxy_protocol": "true"}, new_accounts_burst=2,
                 new_accounts_per_minute=1) as r:
        # HTTPS: the limit is the client's own, which the proxy names.
        answers = [exchange(r.https, proxied(c, ask), tls=True)[9:12] for c in
                   ("198.51.100.7", "198.51.100.7", "198.51.100.7", "198.51.100.8")]
        assert answers == [b"200", b"200", b"429", b"200"]
        # HTTP: somebody outside, in the clear.
        assert exchange(r.http, proxied("198.51.100.9", ask)).startswith(b"HTTP/1.1 403")
        answer = exchange(r.http, proxied("198.51.100.9", ask.replace(b"POST /new", b"GET /")))
        assert answer.startswith(b"HTTP/1.1 301") and b"https://chat.example/\r\n" in answer
        # Whoever brings no header is no proxy.
        with contextlib.suppress(ConnectionError):
            assert exchange(r.http, ask) == b""


# --- pages ------------------------------------------------------------------------------

def test_figures_come_from_the_configuration(product):
    with running(product, **TRUSTED, delete_mails_after=17, delete_inactive_users_after=81,
                 max_message_size=12000000, max_mailbox_size="77M",
                 privacy_mail="jo@chat.example", privacy_postal="Jo <Doe>, Street 1",
                 privacy_pdo="Ann Officer", privacy_supervisor="Authority of Somewhere",
                 delete_large_after=5) as r:
        info, privacy = page_of(r, "/info"), page_of(r, "/privacy.html")
    for figure in ("17 days", "81 days", "after 5 days", "12 MB", "chat.example"):
        assert figure in info
    assert "mailto:jo@chat.example" in privacy and "Jo &lt;Doe&gt;, Street 1" in privacy
    assert "17 days" in privacy and "Ann Officer" in privacy
    assert "Authority of Somewhere" in privacy


def test_pages_load_nothing_from_elsewhere_and_need_no_script(trusted, local):
    for r in (trusted, local):
        for path in ("/", "/info", "/privacy"):
            page = page_of(r, path)
            assert "<script" not in page and "style=" not in page
            for source in re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', page):
                assert r.ask("GET", source)[0] == 200 and source.startswith("/")


def test_host_header_is_never_used(trusted, local):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for r in (trusted, local):
        for path in ("/", "/info", "/privacy", "/new", "/qr.svg", "/nothing",
                     "/.well-known/autoconfig/mail/config-v1.1.xml",
                     "/.well-known/mta-sts.txt"):
            _, headers, body = r.ask("GET", path, evil)
            assert b"evil" not in body and "evil" not in str(headers)
        _, headers, _ = trusted.ask("GET", "/info", {**OUTSIDE, **evil,
                                                     "X-Forwarded-Proto": "http"})
        assert headers["Location"] == "https://chat.example/info"


def test_security_headers(trusted, local):
    for r, tls, strict in ((trusted, True, True), (trusted, False, False), (local, True, False)):
        for path in ("/", "/new", "/qr.png", "/nothing", "/robots.txt"):
            _, headers, _ = r.ask("GET", path, tls=tls)
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert ("Strict-Transport-Security" in headers) == strict
            assert "Server" not in headers


def test_plain_http_from_outside_goes_to_https(trusted):
    outside = {**OUTSIDE, "X-Forwarded-Proto": "http"}
    for method in ("GET", "HEAD"):
        status, headers, _ = trusted.ask(method, "/info?x=1", outside)
        assert (status, headers["Location"]) == (301, "https://chat.example/info")
    status, _, body = trusted.ask("POST", "/new", outside)
    assert status == 403 and "encrypted" in json.loads(body)["reason"]
    assert trusted.ask("GET", "/info", OUTSIDE)[0] == 200


def test_www_is_the_same_site(trusted):
    status, headers, _ = trusted.ask("GET", "/info", {"Host": "www.chat.example"})
    assert (status, headers["Location"]) == (301, "https://chat.example/info")


def test_errors_and_methods(trusted):
    status, headers, body = trusted.ask("GET", "/nothing")
    assert status == 404 and b"Nothing here" in body
    for path, allow in (("/", "GET, HEAD"), ("/new", "GET, HEAD, POST")):
        status, headers, body = trusted.ask("DELETE", path)
        assert status == 405 and headers["Allow"] == allow
        assert allow in body.decode()
    assert json.loads(body)["reason"]
    status, headers, body = trusted.ask("HEAD", "/")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 1000


NEW, PAGE = "POST /new HTTP/1.1\r\n", "GET /info HTTP/1.1\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("head, status", [
    (NEW + "Host: h\r\nContent-Length: abc\r\n", 400),
    (NEW + "Host: h\r\nContent-Length: -1\r\n", 400),
    (NEW + "Host: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n", 400),
    (NEW + "Host: h\r\nContent-Length: 0, 0\r\n", 400),
    (NEW + "Host: h\r\nContent-Length: 5\r\n" + CHUNKED, 400),
    (NEW + "Host: h\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
    (NEW + "Host: h\r\n" + CHUNKED + "\r\nzz\r\n", 400),
    (NEW, 400),
    (PAGE, 400),
    (PAGE + "Host: a\r\nHost: b\r\n", 400),
    (PAGE + "Host: a\r\nX-A: b\r\n c\r\n", 400),
    (PAGE + "Host : a\r\n", 400),
    (PAGE + "Host: a\r\nX-A: " + "b" * 20000 + "\r\n", 431),
    (PAGE + "Host: a\r\n" + "X-A: b\r\n" * 5000, 431),
    ("GET /" + "a" * 20000 + " HTTP/1.1\r\nHost: a\r\n", 414),
    ("GET /info HTTP/2.0\r\nHost: a\r\n", 505),
])
def test_what_is_no_proper_request_gets_one_answer_and_the_end(trusted, head, status, tls):
    port = trusted.https if tls else trusted.http
    behind = "\r\n0\r\n\r\n" + PAGE + "Host: a\r\nConnection: close\r\n\r\n"
    answer = exchange(port, (head + behind).encode(), tls=tls, proxied=False)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.count(b"HTTP/1.1 ") == 1 and head.lower().count(b"content-length:") == 1
    assert b"HTTP/1.1 " not in body and b"Largest message" not in body


def test_too_much_is_refused_in_the_callers_language(trusted):
    """JSON for programs, a page for people; whether the length is announced or not."""
    for body in (b"x" * 5000, iter([b"x" * 3000, b"x" * 2000])):
        status, headers, answer = trusted.ask("POST", "/new", body=body)
        assert (status, headers["Content-Type"]) == (413, "application/json")
        assert "larger than" in json.loads(answer)["reason"]
    status, headers, answer = trusted.ask("GET", "/info", body=b"x" * 5000)
    assert status == 413 and headers["Content-Type"].startswith("text/html")
    assert b"Too large" in answer and "default-src 'none'" in headers["Content-Security-Policy"]


def test_operators_own_pages(product, tmp_path):
    (tmp_path / "outside.txt").write_text("secret")
    www = tmp_path / "www"
    (www / "sub").mkdir(parents=True)
    (www / "index.html").write_text("<h1>ours</h1>")
    (www / "sub" / "a.css").write_text("a{}")
    (www / ".hidden").write_text("secret")
    with running(product, **TRUSTED, www_folder=www) as r:
        assert page_of(r) == "<h1>ours</h1>"
        assert "Information" in page_of(r, "/info")  # not replaced, so ours
        status, headers, body = r.ask("GET", "/sub/a.css")
        assert (status, headers["Content-Type"], body) == (200, "text/css; charset=utf-8", b"a{}")
        for path in ("/../outside.txt", "/sub/../../outside.txt", "/%2e%2e/outside.txt",
                     "/.hidden", "/sub", "//outside.txt"):
            status, _, body = r.ask("GET", path)
            assert status == 404 and b"secret" not in body, path
        assert r.ask("POST", "/new")[0] == 200
    with running(product, **TRUSTED, www_folder="disabled") as r:
        assert r.ask("GET", "/")[0] == 404 and r.ask("POST", "/new")[0] == 200


# --- for programs -----------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/.well-known/autoconfig/mail/config-v1.1.xml",
                                  "/mail/config-v1.1.xml?emailaddress=a%40b"])
def test_autoconfig_tells_the_real_ports(product, local, path):
    status, headers, body = local.ask("GET", path)
    assert status == 200 and headers["Content-Type"] == "application/xml"
    provider = xml.etree.ElementTree.fromstring(body).find("emailProvider")
    assert provider.get("id") == provider.findtext("domain") == product.domain
    servers = [(s.get("type"), s.findtext("hostname"), int(s.findtext("port")),
                s.findtext("socketType"), s.findtext("username"))
               for s in provider if s.tag.endswith("Server")]
    # The name, though clients are sent to an address: nobody could verify that.
    host, user = product.domain, "%EMAILADDRESS%"
    assert servers == [("imap", host, product.port(2993), "SSL", user),
                       ("imap", host, 143, "STARTTLS", user),
                       ("smtp", host, product.port(2465), "SSL", user),
                       ("smtp", host, 587, "STARTTLS", user)]


def test_mta_sts_policy_only_with_a_trusted_certificate(trusted, local):
    status, headers, body = trusted.ask("GET", "/.well-known/mta-sts.txt")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    assert body.split(b"\r\n") == [b"version: STSv1", b"mode: enforce", b"mx: chat.example",
                                   b"max_age: 2419200", b""]
    assert local.ask("GET", "/.well-known/mta-sts.txt")[0] == 404


def test_requests_are_counted_by_path(trusted):
    def count():
        connection = http.client.HTTPConnection("127.0.0.1", trusted.admin, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return int(re.search(r'postbus_registrar_requests_total\{path="/new",method="GET \| POST",result="ok"\} '
                             r'(\d+)', text).group(1))
    before = count()
    assert trusted.ask("POST", "/new", OUTSIDE)[0] == 200
    assert count() == before + 1
