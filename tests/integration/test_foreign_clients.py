"""Clients that others wrote: swaks, and the load generator of Postfix."""
import subprocess

import pytest

import mail
from beside import running
from test_smtp_rules import OUTSIDE, inbox, wait_for_messages


def run(*command, **options):
    done = subprocess.run(command, text=True, capture_output=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def message(tmp_path_factory):
    path = tmp_path_factory.mktemp("swaks") / "message"
    path.write_text(mail.encrypted(OUTSIDE).replace("\r\n", "\n"))
    return path


def swaks(product, port, user, path, *more):
    return run("swaks", "--server", "127.0.0.1", "--port", str(product.port(port)), "--to", user,
               "--data", f"@{path}", "--helo", "mx.elsewhere.example", *more)


def test_swaks(product, message, tmp_path):
    user, other = mail.new_account(product), mail.new_account(product)
    said = swaks(product, 2525, f"{user},{other}", message, "--from", OUTSIDE, "--tls")
    assert "250 2.0.0 Ok: queued as" in said and "250-CHUNKING" in said and "250-DSN" in said
    said = swaks(product, 2424, f"{user},{other}", message, "--from", OUTSIDE, "--protocol", "LMTP")
    assert said.count("250 2.0.0 Ok: queued as") == 2
    own = tmp_path / "own"
    own.write_text(mail.encrypted(user).replace("\r\n", "\n"))
    for port, tls in ((2587, "--tls"), (2465, "--tls-on-connect")):
        for mechanism in ("PLAIN", "LOGIN"):
            said = swaks(product, port, other, own, "--from", user, tls, "--auth", mechanism,
                         "--auth-user", user, "--auth-password", mail.PASSWORD)
            assert "250 2.0.0 Ok: queued as" in said
    wait_for_messages(inbox(product, user), 2)
    wait_for_messages(inbox(product, other), 6)


def test_smtp_source(product, message, tmp_path):
    """It pipelines nothing and takes each answer at its word, ten connections at a time."""
    user, path = mail.new_account(product), tmp_path / "lmtp"
    with running(product, "smtp-ingress", lmtp_socket=path):
        for to in (f"inet:127.0.0.1:{product.port(2424)}", f"unix:{path}"):
            run("/usr/sbin/smtp-source", "-L", "-s", "10", "-m", "50", "-F", str(message),
                "-f", OUTSIDE, "-t", user, to)
        wait_for_messages(inbox(product, user), 100)
