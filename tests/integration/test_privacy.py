"""What no log may hold, at any level, and what only the most talkative one may."""
import contextlib
import http.client
import imaplib
import json
import re
import smtplib

import pytest

import mail
from product import Product, free_port, wait_for

WRONG = "another-password-8"
TOKEN = "fcm-chat.delta:a-token-of-a-telephone"


@pytest.fixture(scope="module")
def talkative():
    with Product(domain="_talk.localhost",
                 options={"log_level": "debug", "login_failure_delay_ms": 0,
                          "routes": f"_gone.test=127.0.0.1:{free_port()}"}) as p:
        yield p


def new_account_by_http(product):
    connection = http.client.HTTPConnection("127.0.0.1", product.port(8080), timeout=30)
    connection.request("POST", "/new")
    made = json.loads(connection.getresponse().read())
    connection.close()
    return made["email"], made["password"]


def live(product):
    """A bit of everything that secrets and people have to do with; returns both."""
    user, password = new_account_by_http(product)
    other = mail.new_account(product)
    client = mail.smtp(product, user, password)  # the account is made by its first login
    for wrong in (WRONG, ""):
        with contextlib.suppress(imaplib.IMAP4.error):
            mail.imap(product, user, wrong)
        with contextlib.suppress(smtplib.SMTPException):
            mail.smtp(product, user, wrong)
    text = mail.encrypted(user)
    client.sendmail(user, [other, "bob@_gone.test"], text)
    with contextlib.suppress(smtplib.SMTPDataError):
        client.sendmail(user, [other], f"From: <{user}>\r\nSubject: in the open\r\n\r\nnot sealed\r\n")
    at = mail.imap(product, other)
    wait_for("the message", lambda: at.select("INBOX")[1] == [b"1"])
    at.fetch("1", "(RFC822)")
    imaplib.Commands["SETMETADATA"] = ("AUTH", "SELECTED")
    at._simple_command("SETMETADATA", "INBOX", f'(/private/devicetoken "{TOKEN}")')
    wait_for("an attempt to send", lambda: product.sql(
        "SELECT 1 FROM queue_remote WHERE attempts > 0 AND last_error <> ''"))
    files = [f.read_text().strip() for f in (product.run / "secrets").iterdir()]
    secrets = [mail.PASSWORD, WRONG, password, TOKEN, "in the open", "not sealed",
               mail.plain(user, password), mail.plain(user, WRONG), mail.plain(other),
               *(line for line in text.splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]{40,}", line)),
               *(line for f in files for line in f.splitlines() if "-----" not in line)]
    return secrets, [user, other, "_gone.test"]


def test_logs_hold_no_secrets_and_at_the_standard_level_nobody(talkative):
    secrets, people = live(talkative)
    talkative.stop()  # so that every line is there
    text = "\n".join(f.read_text(errors="replace") for f in (talkative.run / "log").glob("*.log"))
    assert len(secrets) > 20 and "not sealed" in secrets
    for event in ("smtp.accepted", "remote.deferred"):
        assert event in text
    assert [s for s in secrets if s in text] == []
    spoken = [line for line in text.splitlines() if not re.match(r"\S+ debug ", line)]
    assert [line for line in spoken for who in people if who in line] == []
    # An account's number and a millisecond for each login would say when somebody is awake.
    assert "account=" in text and [line for line in spoken if "account=" in line] == []
    for event in ("account.created", "imap.login", "smtp.login"):
        assert event in text
