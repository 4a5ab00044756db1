"""Accounts by HTTP, and codes that a stranger's reader can read.

Modes that differ by configuration run as registrars of their own beside the product's,
on its database.
"""
import contextlib
import html
import imaplib
import json
import re
import shutil
import subprocess
import urllib.parse

import pytest

import mail
from product import wait_for
from registrar import (INVITE, TRUSTED, certificate_in, exchange, issued, local, page_of, proxied,
                       running, trusted)


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
