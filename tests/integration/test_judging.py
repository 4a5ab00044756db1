"""Checks of port 25 that wait for the DNS: who waits holds up nobody."""
import concurrent.futures
import contextlib
import resource
import signal
import smtplib
import socket

import pytest

import mail
from beside import running
from fake_dns import name_server
from product import wait_for
from test_smtp_rules import foreign, inbox, transaction, wait_for_messages

CROWD = 1000
AUTHOR = "someone@_elsewhere.example"  # who needs no DKIM signature
WAITING = "postbus_smtp_waiting_messages"


@pytest.fixture
def names():
    with name_server(good_example="mx.good.example", null_example="") as n:
        yield n


@contextlib.contextmanager
def judging(product, names, **options):
    with running(product, "smtp-ingress",
                 **{"require_mx_record": "reject", "dns_resolver": names.address,
                    "dns_trust_anchor_file": "none", "judge_threads": 1, "judge_seconds": 300,
                    **options}) as r:
        yield r


@pytest.fixture
def descriptors():
    """A crowd of clients needs more than the usual 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def begin(r, sender, user, number=0):
    """A message but for its end."""
    client = foreign(r)
    assert client.mail(sender)[0] == client.rcpt(user)[0] == 250
    assert client.docmd("DATA")[0] == 354
    client.send(mail.encrypted(AUTHOR, f"judged-{number}@test").encode())
    return client


def send(r, sender, user):
    """A whole message; its reply is still to come."""
    client = begin(r, sender, user)
    client.send(b".\r\n")
    return client


def test_a_sender_without_an_mx_record_is_refused(product, names):
    user = mail.new_account(product)
    cases = [("a@good.example", 250, ""), ("", 250, ""), ("a@[192.0.2.7]", 250, ""),
             ("a@null.example", 550, "5.7.27 <a@null.example>: Domain has a null MX record"),
             ("a@nowhere.example", 550, "5.1.8 <a@nowhere.example>: Domain does not exist")]
    with judging(product, names) as r:
        client = foreign(r)
        for i, (sender, code, text) in enumerate(cases):
            codes, said = transaction(client, sender, [user], mail.encrypted(AUTHOR, f"mx{i}@test"))
            assert (codes, said[:len(text)]) == ([250, 250, code], text)
        assert r.metric('postbus_smtp_refused_total{check="require_mx_record"}') == 2
    wait_for_messages(inbox(product, user), 3)


def test_without_the_options_nobody_is_asked(product, names):
    user = mail.new_account(product)
    with judging(product, names, require_mx_record="off", dkim="off") as r:
        codes, _ = transaction(foreign(r), "a@null.example", [user], mail.encrypted(AUTHOR))
        assert codes == [250, 250, 250]
        assert r.threads("judge") == r.threads("dns") == 0


def test_a_dead_resolver_makes_senders_try_again(product, names):
    user = mail.new_account(product)
    with judging(product, names, judge_seconds=1) as r:
        codes, said = transaction(foreign(r), "a@silent-1.example", [user], mail.encrypted(AUTHOR))
        assert codes == [250, 250, 451] and said.startswith("4.4.3 ")
        assert r.metric(WAITING) == 0


def test_no_account_waits_for_a_dns_that_is_dead(product):
    """When a service starts it asks the resolver what it is able to, and this one is silent."""
    user = mail.new_account(product)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        dead.settimeout(30)
        with running(product, "smtp-ingress", ready=False, dns_trust_anchor_file=None,
                     dns_resolver="127.0.0.1:%d" % dead.getsockname()[1]) as r:
            dead.recv(4096)
            with mail.smtp(r, user) as client:
                client.sendmail(user, [user], mail.encrypted(user))
            wait_for("it is ready", r.is_ready)
            with foreign(r) as client:
                assert transaction(client, AUTHOR, [user], mail.encrypted(AUTHOR))[0][-1] == 250
    wait_for_messages(inbox(product, user), 2)


def test_a_dead_resolver_is_what_the_policy_says(product, names):
    user = mail.new_account(product)
    for policies in ({"require_mx_record_temporary": "ignore"}, {"require_mx_record": "ignore"}):
        with judging(product, names, judge_seconds=1, **policies) as r:
            codes, _ = transaction(foreign(r), "a@silent-1.example", [user], mail.encrypted(AUTHOR))
            assert codes == [250, 250, 250]
    wait_for_messages(inbox(product, user), 2)


def test_a_thousand_wait_and_nobody_else_does(product, names, descriptors):
    """One judge thread, one worker: neither is held."""
    user, friend = mail.new_account(product), mail.new_account(product)
    with judging(product, names, worker_threads=1) as r, contextlib.ExitStack() as stack:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            crowd = list(pool.map(lambda i: begin(r, f"a@held-{i}.example", user, i), range(CROWD)))
        for client in crowd:
            stack.enter_context(contextlib.closing(client))
            client.send(b".\r\n")
        wait_for("all wait", lambda: r.metric(WAITING) == CROWD)
        assert r.threads("judge") <= 2  # libunbound's thread is called like who asked first

        judged = r.metric('postbus_pool_wait_seconds_count{pool="judge"}')
        smtp = mail.smtp(r, friend)
        smtp.sendmail(friend, [friend], mail.encrypted(friend, "submitted@test"))
        # What nobody has to judge goes the shorter way.
        assert r.metric('postbus_pool_wait_seconds_count{pool="judge"}') == judged
        other = foreign(r)
        assert transaction(other, "", [friend], mail.encrypted(AUTHOR))[0][-1] == 250
        assert transaction(other, "a@good.example", [friend], mail.encrypted(AUTHOR))[0][-1] == 250
        wait_for_messages(inbox(product, friend), 3)
        assert r.metric(WAITING) == CROWD

        names.open_gate()
        assert {client.getreply()[0] for client in crowd} == {250}
        assert r.metric(WAITING) == 0
    at = inbox(product, user)
    wait_for_messages(at, CROWD)
    assert sorted(mail.message_ids(at)) == sorted(f"judged-{i}@test" for i in range(CROWD))


def test_who_hangs_up_while_it_waits_has_sent_nothing(product, names):
    user = mail.new_account(product)
    with judging(product, names) as r:
        client = send(r, "a@held-1.example", user)
        wait_for("it waits", lambda: r.metric(WAITING) == 1)
        client.close()
        wait_for("it waits no more", lambda: r.metric(WAITING) == 0)
        names.open_gate()
        assert transaction(foreign(r), "a@held-2.example", [user], mail.encrypted(AUTHOR))[0][-1] == 250
    wait_for_messages(inbox(product, user), 1)


def test_a_drain_lets_go_of_who_waits(product, names):
    """The next server that the sender tries is one that stays."""
    user = mail.new_account(product)
    with judging(product, names) as r:
        client = send(r, "a@held-1.example", user)
        wait_for("it waits", lambda: r.metric(WAITING) == 1)
        r.process.send_signal(signal.SIGTERM)
        assert client.getreply()[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    names.open_gate()
    assert transaction(foreign(product), AUTHOR, [user], mail.encrypted(AUTHOR))[0][-1] == 250
    wait_for_messages(inbox(product, user), 1)
