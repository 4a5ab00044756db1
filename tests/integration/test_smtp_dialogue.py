"""insecure_auth, and what io_debug writes about a conversation and what it never does."""
import base64
import smtplib
import socket

import pytest

import mail
from beside import running
from product import wait_for
from test_smtp_rules import inbox, wait_for_messages


@pytest.fixture(scope="module")
def r(product):
    with running(product, "smtp-ingress", io_debug="true", insecure_auth="true",
                 login_failure_delay_ms=1) as other:
        yield other


def said(r, what):
    """Whether the log has it by now."""
    return what in r.log.read_text()


def test_accounts_may_send_without_tls(product, r):
    user = mail.new_account(product)
    with smtplib.SMTP("127.0.0.1", r.port(2587), timeout=30) as client:
        client.ehlo()
        assert client.has_extn("auth")
        client.login(user, mail.PASSWORD)
        client.sendmail(user, [user], mail.encrypted(user, subject="subject-of-mine"))
    wait_for_messages(inbox(product, user), 1)
    with smtplib.SMTP("127.0.0.1", product.port(2587), timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN " + mail.plain(user))[0] == 530
    for warning in ("smtp.insecure_auth", "smtp.io_debug"):
        assert said(r, f"warn  smtp-ingress {warning}") or said(r, warning)


def talk(r, *pieces):
    """Each piece at once, then whatever comes until the server has nothing more to say."""
    with socket.create_connection(("127.0.0.1", r.port(2587)), 30) as s:
        s.settimeout(30)
        for piece in (*pieces, b"QUIT\r\n"):
            s.sendall(piece)
        got = b""
        while piece := s.recv(65536):
            got += piece
        return got.decode()


def test_no_password_reaches_the_log(product, r):
    user, password = mail.new_account(product), "Tr0ub4dor-and-more"
    plain = mail.plain(user, password).encode()
    name, word = base64.b64encode(user.encode()), base64.b64encode(password.encode())
    hello = b"EHLO x\r\n"
    for pieces in (
            [hello, b"AUTH PLAIN " + plain + b"\r\n"],
            [hello, b"AUTH PLAIN\r\n", plain + b"\r\n"],
            [hello + b"AUTH PLAIN\r\n" + plain + b"\r\n"],
            [hello + b"AUTH LOGIN\r\n" + name + b"\r\n" + word + b"\r\n"],
            [hello + b"auth login " + name + b"\r\n" + word + b"\r\n"],
            [hello + b"AUTH CRAM-MD5\r\n" + plain + b"\r\n" + word + b"\r\n"],
            [hello + b"AUTH " + word + b"\r\n"],
            [hello + b" AUTH PLAIN " + plain + b"\r\n"],
            [hello + b"AUTHPLAIN " + plain + b"\r\n"],
            [b"AUTH PLAIN " + plain + b"\r\n" + plain + b"\r\n"],
            [hello + b"NOOP " + plain + b"\r\nHELP " + word + b"\r\nVRFY " + word + b"\r\n"],
            [hello + b"AUTH PLAIN\r\n*\r\n" + plain + b"\r\n"]):
        talk(r, *pieces)
    talk(r, hello + f"MAIL FROM:<{user}>\r\n".encode() + b"NOOP the-end-of-passwords\r\nEHLO last.test\r\n")
    wait_for("the last line", lambda: said(r, "EHLO last.test"))
    text = r.log.read_text()
    assert 'from=client line="AUTH PLAIN ***"' in text and 'line="***"' in text
    assert 'from=server line="334' in text and 'from=server line="535' in text
    for secret in (plain, word, name, password.encode(), plain[:20], word[:12]):
        assert secret.decode() not in text, secret


def test_nothing_of_a_message_reaches_the_log(product, r):
    user = mail.new_account(product)
    message = mail.encrypted(user, subject="a-secret-subject").replace(
        "a-secret-subject", "a-secret-subject\r\nMAIL: FROM:<secret@x.example>")
    lines = "NOOP a-secret-word\r\nMAIL FROM:<a-secret@x.example>\r\nRCPT TO:<a-secret@x.example>\r\n"
    login = f"EHLO x\r\nAUTH PLAIN {mail.plain(user)}\r\n".encode()
    begin = f"MAIL FROM:<{user}>\r\nRCPT TO:<{user}>\r\n".encode()
    body = message.encode()
    assert "250 2.0.0 Ok: queued" in talk(r, login, begin, b"DATA\r\n" + body + b".\r\n")
    assert "250 2.0.0 Ok: queued" in talk(
        r, login, begin, b"BDAT %d LAST\r\n" % len(body) + body)
    # out of order: what follows was meant as a message
    assert "503 5.5.1" in talk(r, login, b"DATA\r\n" + lines.encode() + b".\r\n")
    assert "503 5.5.1" in talk(r, login, b"BDAT %d LAST\r\n" % len(lines) + lines.encode())
    talk(r, b"EHLO last-message.test\r\n")
    wait_for("the last line", lambda: said(r, "EHLO last-message.test"))
    text = r.log.read_text()
    assert f'from=client line="RCPT TO:<{user}>"' in text and "BDAT" in text
    assert "secret" not in text and "PGP MESSAGE" not in text
