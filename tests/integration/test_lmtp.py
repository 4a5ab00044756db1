"""LMTP over TCP and over a Unix socket: each recipient gets an answer to the message."""
import os
import smtplib
import socket
import stat

import pytest

import mail
from beside import running
from product import free_port
from test_smtp_rules import OUTSIDE, inbox, wait_for_messages


def answers(client, recipients, text):
    """Of those who are accepted, to the message."""
    assert client.mail(OUTSIDE)[0] == 250
    taken = [r for r in recipients if client.rcpt(r)[0] == 250]
    client.putcmd("data")
    assert client.getreply()[0] == 354
    client.send(text.encode() + b".\r\n")
    return [client.getreply()[0] for _ in taken]


def deliver(product, client):
    users = [mail.new_account(product), mail.new_account(product)]
    to = [users[0], f"nobody@{product.domain}", users[1]]
    assert answers(client, to, mail.encrypted(OUTSIDE)) == [250, 250]
    assert answers(client, to, f"From: <{OUTSIDE}>\r\n\r\nnot encrypted\r\n") == [523, 523]
    assert answers(client, users[:1], mail.encrypted(OUTSIDE)) == [250]
    for user, count in zip(users, (2, 1)):
        wait_for_messages(inbox(product, user), count)


def test_over_tcp(product):
    with smtplib.LMTP("127.0.0.1", product.port(2424), timeout=30) as client:
        client.ehlo()
        assert client.has_extn("chunking") and client.has_extn("starttls")
        deliver(product, client)


def test_over_a_socket(product, tmp_path):
    path = tmp_path / "lmtp"
    with socket.socket(socket.AF_UNIX) as dead:  # as a process that was killed leaves it
        dead.bind(str(path))
    with running(product, "smtp-ingress", lmtp_socket=path, lmtp_port=(port := free_port()),
                 lmtp_networks="192.0.2.0/24"):
        mode = os.stat(path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o666
        with smtplib.LMTP(str(path), timeout=30) as client:
            client.ehlo()
            assert not client.has_extn("starttls")
            deliver(product, client)
        with pytest.raises(smtplib.SMTPConnectError) as e:
            smtplib.LMTP("127.0.0.1", port, timeout=30)
        assert e.value.smtp_code == 554
    assert not path.exists()
