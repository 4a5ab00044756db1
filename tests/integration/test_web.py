"""The pages of the registrar, what it makes of requests, and what programs are told."""
import http.client
import json
import re
import xml.etree.ElementTree

import pytest

from registrar import OUTSIDE, TRUSTED, exchange, issued, local, page_of, running, trusted


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
