"""How much port 25 takes from whom, and how often it tells who exists."""
import smtplib
import socket

import mail
from beside import running
from fake_dns import name_server
from product import wait_for
from test_judging import WAITING
from test_mxdeliv import curl, registrar
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

BEHIND_PROXY = {"proxy_protocol": "true", "trusted_proxies": "127.0.0.1"}


class From(smtplib.SMTP):
    """Another server at this address, past STARTTLS."""

    def __init__(self, r, address):
        self.address = address
        super().__init__("127.0.0.1", r.port(2525), "mx.elsewhere.example", timeout=30)
        self.starttls(context=mail.tls())
        self.ehlo()

    def _get_socket(self, host, port, timeout):
        s = super()._get_socket(host, port, timeout)
        addresses = socket.inet_aton(self.address) + bytes(8)
        s.sendall(b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + addresses)
        return s


def test_who_exists_cannot_be_asked_for_ever(product):
    user = mail.new_account(product)

    def asked(client, *recipients):
        client.rset()
        client.mail(OUTSIDE)
        return [client.rcpt(r) for r in recipients]

    nobodies = [mail.new_name(product.domain) for _ in range(4)]
    with running(product, "smtp-ingress", unknown_recipients_per_minute=3, **BEHIND_PROXY) as r:
        client = From(r, "203.0.113.5")
        assert [code for code, _ in asked(client, user, *nobodies[:3])] == [250, 550, 550, 550]
        # From now on nothing is told, of nobody; on no other connection of that network either.
        for client in (client, From(r, "203.0.113.5")):
            told = asked(client, user, nobodies[3])
            assert [(code, said[:5]) for code, said in told] == [(450, b"4.7.1")] * 2
        assert asked(From(r, "203.0.113.6"), user)[0][0] == 250
        assert r.metric('postbus_smtp_refused_total{check="guess"}') == 4
        # Over HTTPS it is the same client.
        with registrar(product, [r.ports["mxdeliv_port"]]) as web:
            def posted(address):
                return curl(web, user, OUTSIDE, mail.encrypted(OUTSIDE),
                            ["-H", f"X-Forwarded-For: {address}"])
            assert posted("203.0.113.5")[0] == 400 and posted("203.0.113.5")[1].startswith("450 4.7.1 ")
            assert posted("203.0.113.7")[0] == 200
        # A private address may be anybody's.
        client = From(r, "10.1.2.3")
        assert [code for code, _ in asked(client, *nobodies, user)] == [550] * 4 + [250]


def test_unknown_recipients_may_be_accepted_and_bounce(product):
    user, nobody = mail.new_account(product), mail.new_name(product.domain)
    with running(product, "smtp-ingress", unknown_recipients="accept") as r:
        client = foreign(r)
        assert transaction(client, OUTSIDE, [nobody, user], mail.encrypted(OUTSIDE))[0] == [250] * 4
        assert transaction(client, OUTSIDE, [nobody], mail.encrypted(OUTSIDE))[0] == [250] * 3
        # Nor does the answer to what is not encrypted tell.
        plain = f"From: <{OUTSIDE}>\r\nSubject: hi\r\n\r\nhello\r\n"
        for recipient in (nobody, user):
            assert transaction(client, OUTSIDE, [recipient], plain)[0] == [250, 250, 523]
    wait_for_messages(inbox(product, user), 1)
    bounces = f"SELECT count(*) FROM queue_remote WHERE sender = '' AND rcpt = ARRAY['{OUTSIDE}']"
    wait_for("two bounces for the sender", lambda: int(product.sql(bounces)) == 2)


def test_over_https_who_does_not_exist_keeps_nobody_from_a_message(product):
    user, nobody = mail.new_account(product), mail.new_name(product.domain)
    status, said = curl(product, [nobody, user], OUTSIDE, mail.encrypted(OUTSIDE))
    assert status == 200, said
    wait_for_messages(inbox(product, user), 1)
    text = "550 5.1.1 <%s>: Recipient address rejected: User unknown"
    assert curl(product, [nobody], OUTSIDE, mail.encrypted(OUTSIDE)) == (400, text % nobody)
    other = mail.new_name(product.domain)
    assert curl(product, [nobody, other], OUTSIDE, mail.encrypted(OUTSIDE)) == (400, text % nobody)


def begin(client, sender=OUTSIDE):
    """The reply to MAIL."""
    code, said = client.mail(sender)
    assert code == 250 or (code, said) == (451, b"4.4.5 High load, try again later")
    return code


def test_what_is_under_way_is_counted_until_its_end(product):
    user, nobody = mail.new_account(product), mail.new_name(product.domain)
    text = mail.encrypted(OUTSIDE)

    def cut(*steps):
        def end(client):
            for step in steps:
                step(client)
            client.close()
        return end

    def recipient(client):
        client.rcpt(user)

    def data(client):
        client.docmd("DATA")
        client.send(text[:500].encode())

    def refused(client):
        assert client.rcpt(user)[0] == 250 and client.data("no header")[0] == 500

    def accepted(client):
        assert client.rcpt(user)[0] == 250 and client.data(text)[0] == 250

    ends = [cut(), cut(recipient), cut(recipient, data), lambda c: c.rset(), lambda c: c.ehlo(),
            lambda c: c.quit(), refused, accepted,
            lambda c: [c.rcpt(nobody), c.rset()], lambda c: [c.mail(OUTSIDE), c.rset()]]
    with running(product, "smtp-ingress", incoming_at_once=1) as r:
        for end in ends:
            holder, other = foreign(r), foreign(r)
            assert begin(holder) == 250 and begin(other) == 451
            end(holder)
            wait_for("its place is free", lambda: begin(other) == 250)
            other.rset()
            holder.close()
            other.close()
        # Whom a later check refuses holds nothing.
        client = foreign(r)
        for _ in range(3):
            assert client.docmd("MAIL", f"FROM:<{OUTSIDE}> SIZE=99999999")[0] == 552
        assert begin(client) == 250
        # Accounts are bounded otherwise.
        assert mail.smtp(r, user).mail(user)[0] == 250
    wait_for_messages(inbox(product, user), 1)


def test_who_waits_for_the_dns_holds_its_place_and_no_longer(product):
    user = mail.new_account(product)
    sender = "someone@held-1.example"

    def wait_in_judge(client, r):
        assert begin(client, sender) == client.rcpt(user)[0] == 250
        assert client.docmd("DATA")[0] == 354
        client.send(mail.encrypted(OUTSIDE).encode() + b".\r\n")
        wait_for("it waits", lambda: r.metric(WAITING) == 1)

    def is_free(other):
        wait_for("its place is free", lambda: begin(other) == 250)
        other.rset()

    with name_server() as names:
        asking = {"require_mx_record": "reject", "dns_resolver": names.address,
                  "dns_trust_anchor_file": "none"}
        with running(product, "smtp-ingress", incoming_at_once=1, judge_seconds=60, **asking) as r:
            gone, other = foreign(r), foreign(r)
            wait_in_judge(gone, r)
            assert begin(other) == 451
            gone.close()
            is_free(other)
            answered = foreign(r)
            wait_in_judge(answered, r)
            assert begin(other) == 451
            names.open_gate()
            assert answered.getreply()[0] == 250
            is_free(other)
        with running(product, "smtp-ingress", incoming_at_once=1, judge_seconds=1, **asking) as r:
            late, other = foreign(r), foreign(r)
            assert begin(late, "someone@silent-1.example") == late.rcpt(user)[0] == 250
            assert late.data(mail.encrypted(OUTSIDE))[0] == 451
            is_free(other)
    wait_for_messages(inbox(product, user), 1)


def test_each_network_and_each_domain_has_its_part(product):
    with running(product, "smtp-ingress", incoming_at_once_per_network=1, incoming_per_minute_per_domain=30,
                 **BEHIND_PROXY) as r:
        one, same, other = From(r, "203.0.113.5"), From(r, "203.0.113.5"), From(r, "203.0.113.6")
        assert [begin(one, "a@x.example"), begin(same, "a@x.example"), begin(other, "b@X.example")] == [250, 451, 250]
        one.rset()
        assert begin(same, "a@x.example") == 250
        same.rset()
        # The fourth in so short a time, of whatever network; another domain has its own.
        assert begin(one, "c@x.example") == 451 and begin(one, "c@y.example") == 250
        private = [From(r, "10.1.2.3") for _ in range(2)]
        assert [begin(c, "d@z.example") for c in private] == [250, 250]
        assert r.metric('postbus_smtp_refused_total{check="traffic"}') == 2
    with running(product, "smtp-ingress", incoming_per_minute=30, incoming_at_once_per_domain=1) as r:
        one, other = foreign(r), foreign(r)
        assert [begin(one, ""), begin(other, "")] == [250, 451]
        assert [begin(other, "a@x.example"), other.rset()[0]] == [250, 250]
        assert [begin(other, "a@y.example"), other.rset()[0], begin(other, "a@z.example")] == [250, 250, 451]
    with running(product, "smtp-ingress", incoming_per_minute_per_network=20, **BEHIND_PROXY) as r:
        one = From(r, "203.0.113.5")
        said = []
        for _ in range(3):
            said.append(begin(one))
            one.rset()
        assert said == [250, 250, 451] and begin(From(r, "203.0.113.6")) == 250
