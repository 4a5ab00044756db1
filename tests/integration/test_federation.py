"""The federation lists: domains with which no mail is exchanged, changed while all runs."""
import http.client
import json
import smtplib

import pytest

import mail
from product import Product, free_port, wait_for
from test_api import fails, postbusctl, token_of
from test_mxdeliv import curl
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

BAD = "ann@_bad.example"


@pytest.fixture(scope="module")
def server():
    # Nobody listens there, so what may leave stays in the queue and is tried again at once.
    with Product(domain="_federation.localhost", options={
            "routes": f"*=smtp://127.0.0.1:{free_port()}", "retry_min_seconds": 1,
            "retry_max_seconds": 2, "lmtp_networks": "127.0.0.0/8"}) as p:
        yield p


@pytest.fixture(autouse=True)
def clean(server):
    yield
    for pattern in listed(server):
        ctl(server, "remove", pattern)
    for service in "smtp-ingress", "remote-sender":
        wait_for_rows(server, service, 0)


def call(server, method, pattern="", body=None):
    """Status and what the JSON says."""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port("registrar"), timeout=30)
    connection.request(method, "/api/v1/federation" + pattern, body and json.dumps(body),
                       {"Authorization": f"Bearer {token_of(server)}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    result = answer.status, json.loads(answer.read())
    connection.close()
    return result


def ctl(server, *words):
    status, out, error = postbusctl(server, "federation", *words, "--json")
    assert status == 0, error
    return json.loads(out)


def listed(server):
    status, rows = call(server, "GET")
    assert status == 200
    return rows


def wait_for_rows(server, service, count):
    """The hint has come, and the service has read the table."""
    log = server.run / "log" / f"{service}.log"

    def last():
        return [line for line in log.read_text().splitlines() if "federation.read" in line][-1]
    # Within much less than the minute after which it looks without a hint.
    wait_for(f"{service} has {count} rows", lambda: last().endswith(f"rows={count}"), 20)


def arrive(server, sender, user, author=None):
    """Codes of MAIL, RCPT and DATA, and the last reply's text, at port 25."""
    with foreign(server) as client:
        return transaction(client, sender, [user], mail.encrypted(author or sender or BAD))


def submit(server, user, recipients, message_id=None):
    with mail.smtp(server, user) as client:
        client.command_encoding = "utf-8"
        return transaction(client, user, recipients, mail.encrypted(user, message_id))


def test_mail_of_a_blocked_domain_is_refused_while_all_runs(server):
    user = mail.new_account(server)
    assert arrive(server, BAD, user)[0] == [250] * 3
    assert call(server, "PUT", "/_bad.example", {"verdict": "block"}) == (
        200, {"_bad.example": {"verdict": "block", "direction": "both"}})
    wait_for_rows(server, "smtp-ingress", 1)
    codes, text = arrive(server, BAD.upper(), user)
    assert codes == [250, 554] and text.startswith(f"5.7.1 <{BAD.upper()}>: Sender address rejected")
    # The author counts, whoever sends, and where nobody does.
    for sender in "", OUTSIDE:
        codes, text = arrive(server, sender, user, BAD)
        assert codes == [250, 250, 554] and text.startswith("5.7.1 From header rejected"), text
    assert arrive(server, OUTSIDE, user)[0] == [250] * 3
    # By LMTP the operator's own server brings what it has taken.
    with smtplib.LMTP("127.0.0.1", server.port(2424), "edge.example") as client:
        client.ehlo()
        assert transaction(client, BAD, [user], mail.encrypted(BAD))[0] == [250] * 3
    # Over HTTPS it is the same.
    assert curl(server, [user], BAD, mail.encrypted(BAD).encode())[0] == 400
    assert curl(server, [user], OUTSIDE, mail.encrypted(OUTSIDE).encode())[0] == 200
    assert server.metric("smtp-ingress", 'postbus_smtp_refused_total{check="federation"}') >= 2
    assert call(server, "DELETE", "/_bad.example") == (200, {})
    wait_for_rows(server, "smtp-ingress", 0)
    assert arrive(server, BAD, user)[0] == [250] * 3


def test_only_listed_domains(server):
    user = mail.new_account(server)
    assert ctl(server, "block", "*") == {"*": {"verdict": "block", "direction": "both"}}
    ctl(server, "allow", "*._example.net", "--in")
    ctl(server, "allow", "b\u00fccher.example")
    assert ctl(server, "list") == listed(server) == {
        "*": {"verdict": "block", "direction": "both"},
        "*._example.net": {"verdict": "allow", "direction": "in"},
        "xn--bcher-kva.example": {"verdict": "allow", "direction": "both"}}
    assert "xn--bcher-kva.example allow, both\n" in postbusctl(server, "federation", "list")[1]
    for service in "smtp-ingress", "remote-sender":
        wait_for_rows(server, service, 3)
    assert arrive(server, OUTSIDE, user)[0] == [250, 554]
    assert arrive(server, "x@_example.net", user)[0] == [250, 554]
    assert arrive(server, "x@_a._example.net", user)[0] == [250] * 3
    assert submit(server, user, ["x@_a._example.net"])[0][-1] == 554
    assert submit(server, user, ["x@b\u00fccher.example"])[0][-1] == 250
    # Ours is no other domain.
    assert submit(server, user, [mail.new_account(server)])[0][-1] == 250


def test_a_submission_for_blocked_domains_alone_is_refused(server):
    user, other = mail.new_account(server), mail.new_account(server)
    ctl(server, "block", "*.example", "--out")
    for service in "smtp-ingress", "remote-sender":
        wait_for_rows(server, service, 1)
    codes, text = submit(server, user, ["x@far.example", user])
    assert codes == [250, 250, 250, 554]
    assert text == "5.7.1 <x@far.example>: Recipient address rejected: no mail is sent to this domain"
    # From there it is welcome.
    assert arrive(server, BAD, user)[0] == [250] * 3
    # With somebody else it is taken, and comes back for that one.
    assert submit(server, user, ["x@far.example", other], "both@test")[0] == [250] * 4
    wait_for_messages(inbox(server, other), 1)
    at = inbox(server, user)
    wait_for_messages(at, 2)
    report = at.fetch("2", "(RFC822)")[1][0][1].decode()
    assert "Final-Recipient: rfc822; x@far.example" in report and "Status: 5.7.1" in report
    assert submit(server, user, ["x@far.example", "y@far.test"])[0] == [250] * 4
    wait_for_messages(at, 3)
    assert server.sql("SELECT domain, rcpt FROM queue_remote WHERE domain LIKE 'far.%'") == "far.test|{y@far.test}"


def test_what_was_queued_before_is_returned(server):
    user = mail.new_account(server)
    assert submit(server, user, ["x@later.example"])[0][-1] == 250
    wait_for("it waits", lambda: server.sql(
        "SELECT attempts > 0 FROM queue_remote WHERE domain = 'later.example'") == "t")
    ctl(server, "block", "later.example", "--out")
    at = inbox(server, user)
    wait_for_messages(at, 1)
    report = at.fetch("1", "(RFC822)")[1][0][1].decode()
    assert "Status: 5.7.1" in report and "no mail is sent to this domain" in report
    assert server.sql("SELECT count(*) FROM queue_remote WHERE domain = 'later.example'") == "0"


def test_what_is_wrong_is_said(server):
    for pattern in "a..b", "ann@far.example", "%2A%2A", "x.*.example", "far.example.":
        status, error = call(server, "PUT", "/" + pattern, {"verdict": "block"})
        assert status == 400 and "*.far.example" in error["message"], (pattern, error)
    for body in ({}, {"verdict": "refuse"}, {"verdict": "block", "direction": "up"}, [],
                 {"verdict": "block", "note": "x"}, {"verdict": 1}, {"verdict": "block", "direction": None}):
        status, error = call(server, "PUT", "/far.example", body)
        assert status == 400 and '"block" or "allow"' in error["message"], (body, error)
    assert call(server, "DELETE", "/far.example")[0] == 404
    assert call(server, "POST")[0] == 405
    fails(postbusctl(server, "federation", "block", "a..b"), 1, "*.far.example")
    fails(postbusctl(server, "federation", "remove", "far.example"), 3, "exactly this pattern")
    fails(postbusctl(server, "federation", "block"), 2, "PATTERN is missing")
    fails(postbusctl(server, "federation", "forbid", "x.example"), 2, "not forbid")
    assert listed(server) == {}


def test_the_table_is_bounded(server):
    server.sql("INSERT INTO federation SELECT 'd' || i || '.example', 3, true, 0 "
               "FROM generate_series(1, 10000) i")
    try:
        status, error = call(server, "PUT", "/one-more.example", {"verdict": "block"})
        assert status == 409 and "10,000" in error["message"]
        # What is there may be changed, and all of it be shown.
        assert call(server, "PUT", "/d1.example", {"verdict": "allow"})[0] == 200
        for service in "smtp-ingress", "remote-sender":
            wait_for_rows(server, service, 10000)
        rows = ctl(server, "list")
        assert len(rows) == 10000 and rows["d1.example"]["verdict"] == "allow"
        user = mail.new_account(server)
        assert submit(server, user, ["x@d9999.example"])[0][-1] == 554
        assert submit(server, user, ["x@d1.example"])[0][-1] == 250
    finally:
        server.sql("DELETE FROM federation WHERE pattern <> 'd1.example'")


def test_a_table_that_cannot_be_read_leaves_what_was(server):
    user = mail.new_account(server)
    ctl(server, "block", "_bad.example")
    wait_for_rows(server, "smtp-ingress", 1)
    log = server.run / "log" / "smtp-ingress.log"
    seen = log.read_text().count("federation.not_read")
    server.sql("ALTER TABLE federation RENAME TO elsewhere; CREATE TABLE federation (pattern text)")
    try:
        server.sql("INSERT INTO elsewhere VALUES ('x.example', 3, true, 0)")
        server.restart("registrar")  # its hints may have been missed
        wait_for("it fails", lambda: log.read_text().count("federation.not_read") > seen)
        assert arrive(server, BAD, user)[0] == [250, 554]
    finally:
        server.sql("DROP TABLE federation; ALTER TABLE elsewhere RENAME TO federation")
    wait_for_rows(server, "smtp-ingress", 2)
