"""What follows when a check finds something: nothing, Junk, or a refusal."""
import contextlib
import smtplib
import socket

import pytest

import mail
from beside import running
from fake_dns import name_server, reverse
from idle import Idler
from product import free_port, wait_for
from test_smtp_rules import foreign, inbox, transaction, wait_for_messages

AUTHOR = "someone@_elsewhere.example"  # who needs no DKIM signature


# Not of the networks for examples: a resolver knows without asking that they have no names.
MATCHING, UNCONFIRMED, NAMELESS, BAD, TRUSTED = (f"44.0.0.{n}" for n in (1, 2, 3, 4, 5))
BAD_6 = "2001:db8::bad"


@pytest.fixture(scope="module")
def names():
    lists = {reverse(address, "bad.test"): "127.0.0.2" for address in (BAD, BAD_6, TRUSTED)}
    lists[reverse(TRUSTED, "trusted.test")] = "127.0.0.3"
    lists |= {"mx.evil.example.names.test": "127.0.0.2", "spam.example.names.test": "127.0.0.2",
              reverse(MATCHING, "quota.test"): "127.255.255.254"}
    with name_server(good_example="mx.good.example", null_example="",
                     addresses={**lists, "mx.good.example": MATCHING, "mx.two.example": MATCHING},
                     names={MATCHING: "mx.good.example", UNCONFIRMED: "mx.two.example"}) as n:
        yield n


@contextlib.contextmanager
def checking(product, names, **options):
    with running(product, "smtp-ingress", dns_resolver=names.address, dns_trust_anchor_file="none",
                 **options) as r:
        yield r


def proxied(product, names, **options):
    """One behind a proxy, which says where its clients are."""
    return checking(product, names, proxy_protocol="true", trusted_proxies="127.0.0.0/8",
                    max_connections_per_network=100, **options)


class At(smtplib.SMTP):
    """Another mail server at an address, and how it greets."""

    def __init__(self, r, address, hello):
        self.address = address
        super().__init__("127.0.0.1", r.port(2525), hello, timeout=30)
        self.starttls(context=mail.tls())
        self.ehlo()

    def _get_socket(self, host, port, timeout):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        size = {socket.AF_INET: 12, socket.AF_INET6: 36}[family]
        ip = socket.inet_pton(family, self.address)
        s = super()._get_socket(host, port, timeout)
        s.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21" + (b"\x11" if size == 12 else b"\x21") +
                  size.to_bytes(2, "big") + ip + ip + b"\x30\x39\0\x19")
        return s


def answer(client, sender, user):
    codes, said = transaction(client, sender, [user], mail.encrypted(AUTHOR))
    client.close()
    return codes[-1], said


def send(r, sender, user, message_id):
    codes, said = transaction(foreign(r), sender, [user], mail.encrypted(AUTHOR, message_id))
    return codes[-1], said


def junk(product, user, count):
    """Message-IDs in Junk, once there are so many."""
    client = mail.imap(product, user)
    wait_for(f"{count} messages in Junk", lambda: client.select("Junk")[1] == [b"%d" % count])
    return mail.message_ids(client)


def test_quarantined_mail_is_in_junk_and_not_in_inbox(product, names):
    user = mail.new_account(product)
    client = mail.imap(product, user)
    assert client.select("Junk")[0] == "NO"
    with checking(product, names, require_mx_record="quarantine") as r:
        assert send(r, "a@null.example", user, "bad-1@test")[0] == 250
        assert send(r, "a@good.example", user, "good-1@test")[0] == 250
        assert junk(product, user, 1) == ["bad-1@test"]
        assert any(b"\\Junk" in line and line.endswith(b'"Junk"') for line in client.list()[1])
        # The gateway is told of this mailbox, as its own look is far away.
        idler = Idler(product, user)
        assert b"* 1 EXISTS" in idler.command('SELECT "Junk"')
        idler.idle()
        assert send(r, "a@null.example", user, "bad-2@test")[0] == 250
        idler.wait_announcement(60)
        idler.done()
        assert r.metric('postbus_smtp_quarantined_total{check="require_mx_record"}') == 2
        assert r.logged("smtp.objected .*check=require_mx_record policy=quarantine")
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert mail.message_ids(at) == ["good-1@test"]
    assert junk(product, user, 2) == ["bad-1@test", "bad-2@test"]


def test_what_is_ignored_is_delivered_and_noted(product, names):
    user = mail.new_account(product)
    with checking(product, names, require_mx_record="ignore") as r:
        assert send(r, "a@null.example", user, "ignored@test")[0] == 250
        assert r.logged("smtp.objected .*check=require_mx_record policy=ignore")
        assert r.logged("smtp.accepted .*x-return-mx=fail")
    wait_for_messages(inbox(product, user), 1)


def test_a_refusal_has_the_operators_words(product, names):
    user = mail.new_account(product)
    words = "See https://help.example/mx"
    with checking(product, names, require_mx_record=f"reject 554 5.7.1 {words}") as r:
        assert send(r, "a@null.example", user, "refused@test") == (554, f"5.7.1 {words}")


def test_a_host_must_have_the_name_by_which_it_greets(product, names):
    user = mail.new_account(product)
    cases = [
        (MATCHING, "mx.good.example", 250, ""),
        (MATCHING, "MX.Good.Example", 250, ""),
        (MATCHING, f"[{MATCHING}]", 250, ""),
        ("2001:db8::7", "[IPv6:2001:db8::7]", 250, ""),
        (MATCHING, "mx.two.example", 550,
         "5.7.25 <mx.two.example>: The address of your host has another name"),
        (UNCONFIRMED, "mx.two.example", 550,
         "5.7.25 <mx.two.example>: That name has other addresses than your host"),
        (NAMELESS, "mx.good.example", 550,
         "5.7.25 <mx.good.example>: The address of your host has no name"),
        ("2001:db8::7", "mx.good.example", 550,
         "5.7.25 <mx.good.example>: The address of your host has no name"),
        (MATCHING, f"[{BAD}]", 550,
         f"5.7.25 <[{BAD}]>: That is not the address of your host"),
        ("192.168.1.1", "mx.two.example", 250, ""),  # private: has no name that we could know
    ]
    with proxied(product, names, require_matching_rdns="reject") as r:
        for address, hello, code, text in cases:
            got, said = answer(At(r, address, hello), "a@good.example", user)
            assert (got, said[:len(text)]) == (code, text), (address, hello)
        assert r.logged("iprev=pass") and r.logged("iprev=none")
        assert r.metric('postbus_smtp_refused_total{check="require_matching_rdns"}') == 5


def test_a_silent_dns_says_no_name(product):
    user = mail.new_account(product)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        at = "127.0.0.1:%d" % silent.getsockname()[1]
        for action, policy, code in (("reject", "reject 450 4.7.25 Later", 450),
                                     ("reject", "ignore", 250), ("ignore", "reject", 250)):
            with running(product, "smtp-ingress", dns_resolver=at, dns_trust_anchor_file="none",
                         proxy_protocol="true", trusted_proxies="127.0.0.0/8", judge_seconds=1,
                         require_matching_rdns=action,
                         require_matching_rdns_temporary=policy, dnsbl=action,
                         dnsbl_lists="bad.test", dnsbl_temporary=policy) as r:
                got, said = answer(At(r, MATCHING, "mx.good.example"), "a@good.example", user)
                assert got == code and (code == 250 or said == "4.7.25 Later")


def test_lists_in_the_dns_are_added_up(product, names):
    user = mail.new_account(product)
    said = "5.7.0 Client identity is listed in the used DNSBL: "
    with proxied(product, names, dnsbl="reject", dnsbl_reject_threshold=3,
                 dnsbl_quarantine_threshold=1,
                 dnsbl_lists="bad.test score=3, trusted.test score=-5,\n"
                             "  names.test look=ehlo+mailfrom responses=127.0.0.2, quota.test") as r:
        def reply(address, hello, sender):
            return answer(At(r, address, hello), sender, user)
        assert reply(MATCHING, "mx.good.example", "a@good.example")[0] == 250
        assert reply(TRUSTED, "mx.good.example", "a@good.example")[0] == 250
        assert reply("192.168.1.1", "mx.good.example", "a@good.example")[0] == 250
        assert reply(BAD, "mx.good.example", "a@good.example") == (554, said + "bad.test")
        assert reply(BAD_6, "mx.good.example", "a@good.example") == (554, said + "bad.test")
        # One point is for Junk.
        assert reply(MATCHING, "mx.evil.example", "a@good.example")[0] == 250
        assert reply(MATCHING, "mx.good.example", "a@spam.example")[0] == 250
        assert r.metric('postbus_smtp_quarantined_total{check="dnsbl"}') == 2
    assert len(junk(product, user, 2)) == 2
    wait_for_messages(inbox(product, user), 3)


def test_lists_are_not_asked_about_who_passes_on_by_lmtp(product, names):
    """It is a server of the operator's; only the sender's domain says something."""
    user, port = mail.new_account(product), free_port()
    with checking(product, names, dnsbl="reject", require_matching_rdns="reject", lmtp_port=port,
                  lmtp_networks="127.0.0.0/8", dnsbl_lists="names.test look=ehlo+mailfrom"):
        for sender, code in (("a@good.example", 250), ("a@spam.example", 554)):
            client = smtplib.LMTP("127.0.0.1", port, "mx.evil.example", timeout=30)
            client.ehlo_or_helo_if_needed()
            assert client.mail(sender)[0] == client.rcpt(user)[0] == 250
            assert client.data(mail.encrypted(AUTHOR))[0] == code
            client.close()
    wait_for_messages(inbox(product, user), 1)


def test_what_is_no_list_ends_the_start(product):
    with pytest.raises(AssertionError, match="score=x: must be a whole number"):
        with running(product, "smtp-ingress", dnsbl="reject", dnsbl_lists="bad.test score=x"):
            pass
    with pytest.raises(AssertionError, match="authorize_sender needs authorize_sender_file"):
        with running(product, "smtp-ingress", authorize_sender="reject"):
            pass
    with pytest.raises(AssertionError, match="a:b: not a name of a header field"):
        with running(product, "smtp-ingress", header_fields="a:b"):
            pass
    with pytest.raises(AssertionError, match="dnsbl needs dnsbl_lists"):
        with running(product, "smtp-ingress", dnsbl="reject"):
            pass


def test_only_listed_fields_reach_the_mailbox(product, names):
    user = mail.new_account(product)
    extra = "X-Spy: 1\r\nList-Id: x\r\nAutocrypt: addr=a; keydata=AA\r\nChat-Group-ID: g\r\n"
    with checking(product, names, header_fields="chat-*, Autocrypt") as r:
        text = mail.encrypted(AUTHOR, "listed@test", extra=extra)
        assert transaction(foreign(r), AUTHOR, [user], text)[0][-1] == 250
    at = inbox(product, user)
    wait_for_messages(at, 1)
    stored = at.fetch("1", "(RFC822)")[1][0][1]
    header, body = stored.split(b"\r\n\r\n", 1)
    names = [line.split(b":")[0] for line in header.split(b"\r\n") if line[:1] != b" "]
    assert names == [b"Return-Path", b"From", b"Date", b"Message-ID", b"Chat-Version",
                     b"MIME-Version", b"Autocrypt", b"Chat-Group-ID", b"Content-Type"]
    assert body == text.split("\r\n\r\n", 1)[1].encode()


def in_clear(r):
    client = smtplib.SMTP("127.0.0.1", r.port(2525), "mx.elsewhere.example", timeout=30)
    client.ehlo()
    return client


def test_other_servers_may_come_in_the_clear_where_that_is_wanted(product, names):
    user = mail.new_account(product)
    with checking(product, names, require_tls="reject 530 5.7.10 TLS is needed here") as r:
        assert in_clear(r).mail(AUTHOR) == (530, b"5.7.10 TLS is needed here")
    with checking(product, names, require_tls="quarantine") as r:
        text = mail.encrypted(AUTHOR, "clear@test")
        assert transaction(in_clear(r), AUTHOR, [user], text)[0][-1] == 250
        assert send(r, AUTHOR, user, "tls@test")[0] == 250
        assert r.logged("x-tls=fail")
        # Accounts never do.
        client = smtplib.SMTP("127.0.0.1", r.port(2587), timeout=30)
        client.ehlo()
        assert client.mail(user) == (530, b"5.7.0 Must issue a STARTTLS command first")
        assert not client.has_extn("AUTH")
    assert junk(product, user, 1) == ["clear@test"]
    with checking(product, names, require_tls="off") as r:
        text = mail.encrypted(AUTHOR, "off@test")
        assert transaction(in_clear(r), AUTHOR, [user], text)[0][-1] == 250
    wait_for_messages(inbox(product, user), 2)


def submitted(r, user, recipients):
    """The reply to the end of DATA."""
    with mail.smtp(r, user) as client:
        assert client.mail(user)[0] == 250
        assert {client.rcpt(x)[0] for x in recipients} == {250}
        return client.data(mail.encrypted(user))


def test_who_may_send_says_a_file(product, names, tmp_path):
    alice, bob = mail.new_account(product), mail.new_account(product)
    file = tmp_path / "senders"
    refused = (553, b"5.7.0 Unauthorized use of sender address")
    with checking(product, names, authorize_sender="reject", authorize_sender_file=file,
                  max_user_send_per_minute=100000, max_user_send_burst_size=100000) as r:
        assert submitted(r, alice, [bob])[0] == 451  # there is no such file yet
        file.write_text(f"{alice}: {alice}\n")
        wait_for("it is read", lambda: submitted(r, alice, [bob])[0] == 250)
        assert submitted(r, bob, [alice]) == refused
        # A line of somebody else's makes nobody a sender under another name.
        file.write_text(f"{alice}: *\n{bob}: {alice}\n")
        wait_for("it is read again", lambda: submitted(r, bob, [alice]) == refused
                 and r.logged("senders=2"))
        with mail.smtp(r, alice) as client:
            client.mail(bob)
            assert client.rcpt(bob)[0] == 553
        # What cannot be read leaves the last one in force.
        file.write_text("nonsense\n")
        wait_for("it is refused", lambda: submitted(r, alice, [bob])[0] == 250
                 and r.logged("line 1: nonsense: not "))
        assert submitted(r, bob, [alice]) == refused
        assert r.metric('postbus_smtp_refused_total{check="authorize_sender"}') >= 3


def test_a_submission_in_quarantine_stays_here(product, names, tmp_path):
    alice, bob = mail.new_account(product), mail.new_account(product)
    file = tmp_path / "senders"
    file.write_text(f"{bob}: *\n")
    with checking(product, names, authorize_sender="quarantine", authorize_sender_file=file,
                  authorize_sender_temporary="quarantine") as r:
        assert submitted(r, alice, [bob])[0] == 250
        assert submitted(r, alice, [bob, "x@elsewhere.example"]) == (
            550, b"5.7.0 The message is in quarantine and does not leave this server")
    assert len(junk(product, bob, 1)) == 1
    assert product.sql("SELECT count(*) FROM queue_remote WHERE domain = 'elsewhere.example'"
                       " AND 'x@elsewhere.example' = ANY(rcpt)") == "0"
