"""Python's own IMAP and SMTP clients against the whole product."""
import imaplib
import pathlib
import re
import smtplib
import socket
import time

import pytest

import mail
from product import wait_for


def deliver(product, sender, recipient, **how):
    text = mail.encrypted(sender, **how)
    client = mail.smtp(product, sender)
    client.sendmail(sender, [recipient], text)
    client.quit()
    return text


def wait_for_count(client, count):
    def look():
        client.noop()
        _, data = client.select("INBOX")
        return int(data[0]) == count
    wait_for(f"{count} messages", look)


def test_message_arrives_as_it_was_sent_but_scrubbed(product):
    a, b = mail.new_account(product), mail.new_account(product)
    deliver(product, a, b, message_id="as-sent@test", subject="a clear subject",
            extra="User-Agent: spy\r\nReceived: from 192.0.2.7 by x; Mon, 1 Jan 2024 00:00:00"
                  " +0000\r\nX-Mailer: spy\r\n")
    client = mail.imap(product, b)
    wait_for_count(client, 1)
    text = client.fetch("1", "(RFC822)")[1][0][1]
    assert b"Message-ID: <as-sent@test>" in text
    assert b"Subject: [...]" in text and b"a clear subject" not in text
    for gone in (b"User-Agent", b"X-Mailer", b"192.0.2.7", b"Received:"):
        assert gone not in text
    assert text.startswith(f"Return-Path: <{a}>".encode())
    assert b"-----BEGIN PGP MESSAGE-----" in text


def test_imaplib_does_all_it_knows(product):
    user = mail.new_account(product)
    client = mail.imap(product, user)
    assert client.select("INBOX")[0] == "OK"
    message = mail.encrypted(user, "own@test").encode()
    assert client.append("INBOX", r"(\Seen)", None, message)[0] == "OK"
    assert client.append("INBOX", None, None, mail.encrypted(user, "two@test").encode())[0] == "OK"
    client.noop()
    assert client.uid("SEARCH", "UID", "1:*")[1] == [b"1 2"]
    assert client.search(None, "SEEN")[1] == [b"1"]
    assert client.search(None, "UNSEEN")[1] == [b"2"]
    assert client.fetch("1", "(RFC822)")[1][0][1] == message
    kind, data = client.store("2", "+FLAGS", r"(\Flagged \Deleted)")
    assert kind == "OK" and b"\\Flagged" in data[0] and b"\\Deleted" in data[0]
    assert client.create("Archive")[0] == "OK"
    assert client.copy("1", "Archive")[0] == "OK"
    assert any(b"Archive" in line for line in client.list()[1])
    assert client.status("Archive", "(MESSAGES UIDNEXT UIDVALIDITY)")[1][0].count(b"MESSAGES 1") == 1
    assert client.expunge()[1] == [b"2"]
    assert client.uid("SEARCH", "ALL")[1] == [b"1"]
    assert client.close()[0] == "OK"
    assert client.select("Archive")[1] == [b"1"]
    assert client.unselect()[0] == "OK"
    assert client.delete("Archive")[0] == "OK"
    assert client.logout()[0] == "BYE"


def test_the_first_command_may_be_as_long_as_any(product):
    client = mail.imap(product, mail.new_account(product))
    with pytest.raises(imaplib.IMAP4.error, match="unknown command"):
        client.xatom("XLONG", "x" * 50000)  # not: BYE
    assert client.noop()[0] == "OK"


def peak_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def test_fetch_and_search_of_large_messages_hold_little_of_them(product):
    client = mail.imap(product, mail.new_account(product))
    text = b"Subject: x\r\n\r\n" + (b"a" * 76 + b"\r\n") * 25000
    for _ in range(30):
        client.append("INBOX", None, None, text)
    client.select("INBOX")
    gateway = product.pid("imap-gateway")
    pathlib.Path(f"/proc/{gateway}/clear_refs").write_text("5")  # the peak begins anew
    before = peak_kb(gateway)
    assert len(client.fetch("1:*", "(BODYSTRUCTURE)")[1]) == 30
    assert client.search(None, "BODY", "b" * 900) == ("OK", [b""])
    assert peak_kb(gateway) < before + 20000
    kind, why = client.search(None, "BODY", "b" * 2000)
    assert kind == "NO" and why[0].startswith(b"[LIMIT]")


def at_rest(pid, seconds=1):
    """A condition: the process has used no processor time for so long."""
    seen = {}

    def look():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        used = int(fields[11]) + int(fields[12])
        seen.setdefault(used, time.monotonic())
        return time.monotonic() - seen[used] > seconds
    return look


def send_until_stuck(pipeline, pid):
    """Until the server waits for a client that reads nothing."""
    is_at_rest = at_rest(pid)

    def look():
        pipeline.send()
        return is_at_rest()
    wait_for("the server waits for the client", look)


def test_who_does_not_read_answers_is_not_asked_for_more_commands(product):
    """The answers are more than what fits between two sockets."""
    client = mail.imap(product, mail.new_account(product))
    gateway, count = product.pid("imap-gateway"), 200000
    pathlib.Path(f"/proc/{gateway}/clear_refs").write_text("5")
    before = peak_kb(gateway)
    pipeline = mail.Pipeline(client, b"x CAPABILITY\r\n" * count)
    send_until_stuck(pipeline, gateway)
    assert peak_kb(gateway) < before + 10000
    answers = pipeline.finish(2 * count)
    assert sum(line.startswith(b"x OK") for line in answers) == count
    assert client.noop()[0] == "OK"


def test_a_pipeline_of_any_length_is_answered_to_its_end(product):
    client, count = mail.smtp(product, mail.new_account(product)), 200000
    lines = client.ehlo("a")[1].count(b"\n") + 1
    pipeline = mail.Pipeline(client, b"EHLO a\r\n" * count)
    send_until_stuck(pipeline, product.pid("smtp-ingress"))
    answers = pipeline.finish(lines * count)
    assert sum(line.startswith(b"250 ") for line in answers) == count


def test_a_stranger_is_cut_off_amidst_a_pipeline(product):
    with socket.create_connection(("127.0.0.1", product.port(2587)), timeout=20) as client:
        client.sendall(b"EHLO a\r\n" * 200)
        answers = client.makefile("rb").read().splitlines()
    assert answers[-1].startswith(b"421 "), answers[-3:]
    assert 100 <= sum(line.startswith(b"250 ") for line in answers) <= 101


def test_quota_is_the_sum_of_sizes(product):
    a, b = mail.new_account(product), mail.new_account(product)
    client = mail.imap(product, b)
    for i in range(5):
        deliver(product, a, b, size=40000 * (i + 1))
    wait_for_count(client, 5)

    def used():
        return int(client.getquotaroot("INBOX")[1][1][0].split(b"STORAGE ")[1].split()[0])

    def sizes():
        data = client.fetch("1:*", "(RFC822.SIZE)")[1]
        return sum(int(line.split(b"RFC822.SIZE ")[1].split(b")")[0]) for line in data if line)

    assert abs(used() - sizes() / 1024) <= 1
    client.store("2:3", "+FLAGS", r"(\Deleted)")
    client.expunge()
    assert abs(used() - sizes() / 1024) <= 1


def test_unknown_recipient_bounces_and_does_not_spoil_the_others(product):
    a, b = mail.new_account(product), mail.new_account(product)
    nobody = mail.new_name(product.domain)
    client = mail.smtp(product, a)
    assert client.sendmail(a, [nobody, b], mail.encrypted(a, "partly@test")) == {}
    at_b, at_a = mail.imap(product, b), mail.imap(product, a)
    wait_for_count(at_b, 1)
    wait_for_count(at_a, 1)
    bounce = at_a.fetch("1", "(RFC822)")[1][0][1].decode()
    assert "multipart/report" in bounce and "Auto-Submitted: auto-replied" in bounce
    assert f"Final-Recipient: rfc822; {nobody}" in bounce and "Status: 5.1.1" in bounce
    assert "BEGIN PGP MESSAGE" not in bounce


def test_reports_are_what_the_sender_asked_for(product):
    """RFC 3461: of whom NOTIFY=NEVER names nobody hears; a report repeats ENVID and ORCPT."""
    a, b = mail.new_account(product), mail.new_account(product)
    silent, loud = mail.new_name(product.domain), mail.new_name(product.domain)
    client = mail.smtp(product, a)

    def send(message_id, *recipients):
        assert client.mail(a, ["RET=FULL", "ENVID=QQ314159"])[0] == 250
        for address, *words in recipients:
            assert client.rcpt(address, words)[0] == 250
        assert client.data(mail.encrypted(a, message_id))[0] == 250
        # A report is made in the transaction that delivers to the others, and is a row of its own.
        wait_for("an empty queue", lambda: product.sql(
            f"SELECT count(*) FROM queue WHERE sender IN ('', '{a}')") == "0")

    send("asked@test", (silent, "NOTIFY=NEVER"), (b, "NOTIFY=FAILURE"),
         (loud, "NOTIFY=FAILURE", f"ORCPT=rfc822;list+2B1@{product.domain}"))
    send("unasked@test", (silent, "NOTIFY=NEVER"), (b,))
    at_b, at_a = mail.imap(product, b), mail.imap(product, a)
    wait_for_count(at_b, 2)
    wait_for_count(at_a, 1)
    report = at_a.fetch("1", "(RFC822)")[1][0][1].decode()
    assert "Original-Envelope-Id: QQ314159\r\n" in report
    assert f"Original-Recipient: rfc822;list+1@{product.domain}\r\n" in report, report
    assert f"Final-Recipient: rfc822; {loud}\r\n" in report
    assert silent not in report and b not in report
    assert "<asked@test>" in report and "BEGIN PGP MESSAGE" in report


# What the grammar calls a mailbox and no mail can be brought to, and the status it bounces with.
UNREACHABLE = {"\"no body\"@elsewhere.example": "5.1.3", "\"a>b\"@elsewhere.example": "5.1.3",
               "a@[x400:c=de]": "5.1.3", "a@[IPv6:none]": "5.1.3",
               f"a@{'long' * 20}.example": "5.1.3",
               f"{'long' * 60}@elsewhere.example": "5.1.3",
               "a%elsewhere.example@{domain}": "5.1.1", "elsewhere.example!a@{domain}": "5.1.1",
               "\"no body\"@{domain}": "5.1.1", "müller@{domain}": "5.1.1"}


def test_every_mailbox_is_taken_and_those_out_of_reach_bounce(product):
    """One refused RCPT would fail the message for everybody."""
    a, b = mail.new_account(product), mail.new_account(product)
    unreachable = {address.format(domain=product.domain): status
                   for address, status in UNREACHABLE.items()}
    host = "elsewhere.example"  # no name server answers, so it waits
    elsewhere = [f"a%b@{host}", f"b!a@{host}", f"\"a,b\"@{host}", f"\"plain\"@{host}"]
    client = mail.smtp(product, a)
    assert client.mail(a)[0] == 250
    quoted = "\"{}\"@{}".format(*b.split("@"))  # the same mailbox as b
    lines = [f"RCPT TO:<{r}>\r\n" for r in [*unreachable, *elsewhere, quoted, b]]
    client.send("".join(lines).encode())
    assert [client.getreply()[0] for _ in lines] == [250] * len(lines)
    assert client.data(mail.encrypted(a, "everybody@test"))[0] == 250
    at_b, at_a = mail.imap(product, b), mail.imap(product, a)
    wait_for_count(at_b, 1)
    assert mail.message_ids(at_b) == ["everybody@test"]
    wait_for_count(at_a, 1)
    bounce = at_a.fetch("1", "(RFC822)")[1][0][1].decode()
    failed = re.findall(r"Final-Recipient: [\w-]+; (.*)\r\nAction: failed\r\nStatus: (.*)\r\n",
                        bounce)
    assert len(failed) == len(unreachable) and dict(failed) == unreachable
    assert product.sql(f"SELECT array_to_string(rcpt, ' ') FROM queue_remote WHERE domain = "
                       f"'{host}'") == f"\"a,b\"@{host} a%b@{host} b!a@{host} plain@{host}"
    product.sql("DELETE FROM queue_remote")


def refusal(product, user, text, sender=None, recipients=None):
    client = mail.smtp(product, user)
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)) as e:
        client.sendmail(sender or user, recipients or [user], text)
    client.close()
    if isinstance(e.value, smtplib.SMTPRecipientsRefused):
        return next(iter(e.value.recipients.values()))
    return e.value.smtp_code, e.value.smtp_error


def test_refusals_have_the_codes_that_clients_know(product):
    a, b = mail.new_account(product), mail.new_account(product)
    plain = f"From: <{a}>\r\nTo: <{b}>\r\nSubject: hi\r\n\r\nhello\r\n"
    code, text = refusal(product, a, plain, recipients=[b])
    assert code == 523 and b"Encryption Needed: Invalid Unencrypted Mail" in text
    code, _ = refusal(product, a, mail.encrypted(b))
    assert code == 500
    code, text = refusal(product, a, mail.encrypted(b), sender=b)
    assert code == 553
