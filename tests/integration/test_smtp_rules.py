"""What port 25 takes and what it refuses, and the limits of both doors."""
import contextlib
import imaplib
import smtplib
import socket

import pytest

import mail
from beside import running
from product import wait_for

# A domain that begins with _ needs no DKIM signature.
OUTSIDE = "someone@_elsewhere.example"


def foreign(product, tls=None):
    """Another mail server, past STARTTLS."""
    client = smtplib.SMTP("127.0.0.1", product.port(2525), "mx.elsewhere.example", timeout=30)
    client.starttls(context=tls or mail.tls())
    client.ehlo()
    return client


def transaction(client, sender, recipients, text):
    """Replies to MAIL, each RCPT and, if any was taken, the end of DATA."""
    replies = [client.mail(sender), *(client.rcpt(r) for r in recipients)]
    if any(code == 250 for code, _ in replies[1:]):
        replies.append(client.data(text))
    else:
        client.rset()
    return [code for code, _ in replies], replies[-1][1].decode()


def inbox(product, user):
    client = mail.imap(product, user)
    client.select("INBOX")
    return client


def wait_for_messages(client, count):
    wait_for(f"{count} messages", lambda: client.select("INBOX")[1] == [b"%d" % count])


# --- port 25 ----------------------------------------------------------------------------

def test_encrypted_mail_from_another_server_is_delivered(product):
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE, "foreign@test", subject="theirs",
                          extra="Received: from there by here; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
                                "Authentication-Results: here; dkim=pass\r\n")
    client = foreign(product)
    tagged = user.replace("@", "+tag@").upper()
    assert transaction(client, OUTSIDE, [tagged], text)[0] == [250, 250, 250]
    # A message without a sender is one as well.
    assert transaction(client, "", [user], mail.encrypted(OUTSIDE, "null@test"))[0][-1] == 250
    client.quit()
    at = inbox(product, user)
    wait_for_messages(at, 2)
    got = at.fetch("1", "(RFC822)")[1][0][1]
    assert b"Message-ID: <foreign@test>" in got and b"Subject: theirs" in got
    assert b"Received:" not in got and b"Authentication-Results:" not in got
    assert got.startswith(f"Return-Path: <{OUTSIDE}>".encode())


def test_unencrypted_mail_is_refused_and_nothing_of_it_stays(product):
    user = mail.new_account(product)
    client = foreign(product)
    plain = f"From: <{OUTSIDE}>\r\nTo: <{user}>\r\nSubject: hi\r\n\r\nhello\r\n"
    assert transaction(client, OUTSIDE, [user], plain) == (
        [250, 250, 523], "Encryption Needed: Invalid Unencrypted Mail")
    join = (f"From: <{OUTSIDE}>\r\nSecure-Join: %s\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            "Content-Type: text/plain\r\n\r\n%s\r\n--b--\r\n")
    for header, body, code in (("vc-request", "buy this", 523),
                               ("vc-auth-required", "secure-join: vc-auth-required", 523),
                               ("vg-request", "secure-join: vg-request", 250)):
        assert transaction(client, OUTSIDE, [user], join % (header, body))[0][-1] == code
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert b"vg-request" in at.fetch("1", "(RFC822)")[1][0][1]


def report(daemon, user, size, automatic="auto-replied"):
    """What a server writes that returns the whole message, unlike ours."""
    line = "the message that came back\r\n"
    return (f"From: Mail Delivery <{daemon}>\r\nTo: <{user}>\r\nAuto-Submitted: {automatic}\r\n"
            "Subject: failed\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report;"
            " report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nIt failed.\r\n--b\r\n"
            f"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n{line * (size // len(line))}"
            "\r\n--b--\r\n")


def test_reports_of_other_servers_are_delivered_whatever_they_return(product):
    user, daemon = mail.new_account(product), "MAILER-DAEMON@_elsewhere.example"
    client = foreign(product)
    for text, code in ((report(daemon, user, 2_000_000), 250),
                       (report(daemon, user, 100, automatic="no"), 250),
                       (report(daemon, user, 100, automatic=""), 523),
                       (report(OUTSIDE, user, 100), 523),
                       (report(daemon, user, 100).replace("/report", "/mixed"), 523)):
        assert transaction(client, "", [user], text)[0][-1] == code, text[:400]
    wait_for_messages(inbox(product, user), 2)
    # Who submits has no such way: a report from here is made here.
    account = mail.smtp(product, user)
    assert transaction(account, user, [user], report(user, user, 100))[0][-1] == 523


def test_who_may_send_to_whom(product):
    user, other = mail.new_account(product), mail.new_account(product)
    nobody, outsider = mail.new_name(product.domain), mail.new_name("_elsewhere.example")
    client = foreign(product)
    text = mail.encrypted(outsider, "once@test")
    # Somebody who does not exist does not spoil the others.
    assert transaction(client, outsider, [nobody, user], text)[0] == [250, 550, 250, 250]
    # Never a relay, in whatever way the address is written.
    for elsewhere in ("a@third.example", "a%third.example@" + product.domain + ".third.example",
                      f"\"a@third.example\"@{product.domain}", "a@[192.0.2.1]", "a@localhost"):
        codes, _ = transaction(client, outsider, [elsewhere], text)
        assert codes[1] in (550, 554, 501), elsewhere
    # Accounts submit their mail; nobody else speaks for them, in the envelope or in From.
    assert transaction(client, other, [user], mail.encrypted(other))[0] == [250, 553]
    assert transaction(client, other.upper(), [user], mail.encrypted(other))[0] == [250, 553]
    assert transaction(client, outsider, [user], mail.encrypted(other))[0] == [250, 250, 554]
    twice = mail.encrypted(outsider).replace("To:", f"From: <{other}>\r\nTo:", 1)
    assert transaction(client, outsider, [user], twice)[0] == [250, 250, 500]
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert mail.message_ids(at) == ["once@test"]
    senders = f"'{outsider}', '{other}'"
    assert product.sql(f"SELECT count(*) FROM queue_remote WHERE sender IN ({senders})") == "0"


def test_postmaster_and_abuse_reach_an_account(product):
    user = mail.new_account(product)
    complaint = f"From: <{OUTSIDE}>\r\nMessage-ID: <complaint@test>\r\n\r\nSpam from you!\r\n"
    with running(product, "smtp-ingress", postmaster_account=user) as r:
        for role in ("postmaster", f"abuse@{product.domain}"):
            assert transaction(foreign(r), OUTSIDE, [role], complaint)[0] == [250, 250, 250]
    wait_for_messages(inbox(product, user), 2)
    codes, text = transaction(foreign(product), OUTSIDE, ["postmaster"], complaint)
    assert codes == [250, 550]


def test_a_message_in_a_loop_is_refused(product):
    user = mail.new_account(product)
    hops = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 101
    client = foreign(product)
    codes, text = transaction(client, OUTSIDE, [user], mail.encrypted(OUTSIDE, extra=hops))
    assert codes == [250, 250, 554] and "5.4.6" in text


# --- limits -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def small(product):
    with running(product, "smtp-ingress", max_message_size=65536, max_user_send_per_minute=1,
                 max_user_send_burst_size=3, max_recipients=5) as r:
        yield r


def test_size(product, small):
    user = mail.new_account(product)
    client = mail.smtp(small, user)
    client.ehlo()
    assert client.esmtp_features["size"] == "65536"
    code, text = client.docmd("MAIL", f"FROM:<{user}> SIZE=65537")
    assert (code, text) == (552, b"5.3.4 Message size exceeds fixed limit")
    # Whoever announces nothing hears it at the end; the session lives on.
    codes, text = transaction(client, user, [user], mail.encrypted(user, size=60000))
    assert codes == [250, 250, 552] and text == "5.3.4 Message exceeds maximum size"
    assert transaction(client, user, [user], mail.encrypted(user))[0][-1] == 250
    # Nobody has to listen to the whole of it.
    client.mail(user)
    client.rcpt(user)
    client.docmd("DATA")
    with contextlib.suppress(OSError):
        for _ in range(1000):
            client.send(b"x" * 1000 + b"\r\n")
    with contextlib.suppress(OSError):
        assert client.sock.recv(4096).startswith(b"552 5.3.4 ")
    client.close()


def test_recipients_at_rcpt(product, small):
    user = mail.new_account(product)
    people = [mail.new_account(product), *(mail.new_name(product.domain) for _ in range(5))]
    client = mail.smtp(small, user)
    codes, _ = transaction(client, user, people, mail.encrypted(user))
    assert codes == [250] + [250] * 5 + [452, 250]


def test_the_1001st_recipient(product):
    user = mail.new_account(product)
    client = mail.smtp(product, user)
    client.mail(user)
    lines = "".join(f"RCPT TO:<p{i}@elsewhere.example>\r\n" for i in range(1001))
    client.send(lines)
    replies = [client.getreply() for _ in range(1001)]
    assert [code for code, _ in replies[:1000]] == [250] * 1000
    assert replies[1000] == (452, b"4.5.3 Too many recipients")
    assert client.rset()[0] == 250


def test_rate_at_rcpt(product, small):
    user = mail.new_account(product)
    client = mail.smtp(small, user)
    for _ in range(3):
        assert transaction(client, user, [user], mail.encrypted(user))[0] == [250, 250, 250]
    codes, text = transaction(client, user, [user], mail.encrypted(user))
    assert codes == [250, 450] and text.startswith(f"4.7.1: Too much mail from <{user}>")
    # The other one has a burst of its own, and it is not the address that is counted.
    other = mail.new_account(product)
    assert transaction(mail.smtp(small, other), other, [user],
                       mail.encrypted(other))[0] == [250, 250, 250]


def test_without_room_for_large_messages_the_client_may_try_again(product):
    user = mail.new_account(product)
    with running(product, "smtp-ingress", spool_memory="1M", max_message_size=2_000_000,
                 max_user_send_burst_size=1000, max_user_send_per_minute=1000) as r:
        # Another session of the account holds all that it may hold.
        stalled, client = mail.smtp(r, user), mail.smtp(r, user)
        stalled.mail(user)
        stalled.rcpt(user)
        stalled.docmd("DATA")
        stalled.send(mail.encrypted(user, size=1_300_000).encode())

        def is_put_off():
            codes, text = transaction(client, user, [user], mail.encrypted(user, size=300_000))
            return codes == [250, 250, 452] and text.startswith("4.3.1 ")
        wait_for("a large message is put off", is_put_off)
        assert transaction(client, user, [user], mail.encrypted(user))[0][-1] == 250
        assert stalled.docmd(".")[0] == 250
        assert not is_put_off()


def test_without_room_for_an_appended_message_the_client_may_try_again(product):
    user, other = mail.new_account(product), mail.new_account(product)
    with running(product, "imap-gateway", spool_memory="1M", max_message_size=2_000_000) as r:
        # Another session of the account holds all that it may hold.
        stalled, client = mail.imap(r, user), mail.imap(r, user)
        message = mail.encrypted(user, size=1_300_000).encode()
        stalled.send(b"s APPEND INBOX {%d+}\r\n" % len(message) + message)

        def is_put_off():
            kind, answer = client.append("INBOX", None, None,
                                         mail.encrypted(user, size=300_000).encode())
            return kind == "NO" and answer[0].startswith(b"[UNAVAILABLE]")
        wait_for("a large message is put off", is_put_off)
        assert r.metric("postbus_spool_bytes") > 1_300_000
        small = mail.encrypted(user).encode()
        assert client.append("INBOX", None, None, small)[0] == "OK"
        stalled.send(b"\r\n")
        assert stalled.readline().startswith(b"s OK ")
        assert not is_put_off()
        wait_for("all is given back", lambda: r.metric("postbus_spool_bytes") == 0)
        with pytest.raises(imaplib.IMAP4.error, match="no NUL bytes"):
            client.append("INBOX", None, None, small + b"\0")
        # What is too large to fit at all is refused before, as ever.
        kind, answer = mail.imap(r, other).append("INBOX", None, None, b"x" * 2_000_001)
        assert kind == "NO" and answer[0].startswith(b"[TOOBIG]")


def connect(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0))


def is_over(s):
    """The server has said that there is no place, and closed."""
    assert s.recv(512).startswith(b"421 4.7.0 Too many connections")
    assert s.recv(1) == b""
    return True


@pytest.mark.parametrize("port", [2525, 2587])
def test_a_full_port_has_room_for_who_comes(product, port):
    """The longest silent makes room; commands that lead nowhere are silence."""
    with running(product, "smtp-ingress", max_smtp_connections=3,
                 max_connections_per_network=100) as r, contextlib.ExitStack() as stack:
        came = []
        for i in range(7):
            came.append(stack.enter_context(connect(r.port(port), f"127.0.0.{i + 1}")))
            assert came[i].recv(512).startswith(b"220 ")
            if i < 3:
                came[0].send(b"NOOP\r\n")
                assert came[0].recv(512).startswith(b"250 ")
            else:
                assert is_over(came[i - 3])
        assert r.metric("postbus_connections_shown_out_total") == 4


def test_a_network_has_a_fifth_and_makes_room_for_itself(product):
    with running(product, "smtp-ingress", max_smtp_connections=15) as r, \
            contextlib.ExitStack() as stack:
        other = stack.enter_context(connect(r.port(2525), "127.0.0.9"))
        assert other.recv(512).startswith(b"220 ")
        came = []
        for i in range(6):
            came.append(stack.enter_context(connect(r.port(2525))))
            assert came[i].recv(512).startswith(b"220 ")
            if i >= 3:
                assert is_over(came[i - 3])
        other.send(b"NOOP\r\n")
        assert other.recv(512).startswith(b"250 ")


def test_five_addresses_do_not_shut_the_door(product):
    """Each holds all that an address may, in several manners; whoever comes is served."""
    user = mail.new_account(product)
    with running(product, "smtp-ingress", max_smtp_connections=50) as r, \
            contextlib.ExitStack() as stack:
        for i in range(100):
            for port in (2465, 2525):
                s = stack.enter_context(connect(r.port(port), f"127.0.1.{i % 5 + 1}"))
                if i % 2:
                    s.send(b"\x16\x03\x01\x02" if port == 2465 else b"EHLO x")
        for _ in range(10):
            mail.smtp(r, user).quit()
            client = smtplib.SMTP("127.0.0.1", r.port(2525), "mx.elsewhere.example", timeout=30)
            client.starttls(context=mail.tls())
            assert client.ehlo()[0] == 250
            client.quit()
