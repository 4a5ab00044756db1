"""How much port 25 takes from whom, and how often it tells who exists."""
import smtplib
import socket

import mail
from beside import running
from product import wait_for
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
