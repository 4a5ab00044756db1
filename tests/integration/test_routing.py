"""Several mail domains on one server, and which names in them reach whom."""
import imaplib
import smtplib

import pytest

import mail
from product import Product
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

TWO, OLD = "_two.localhost", "_old.localhost"
UMLAUT = "b\u00fccher.example"


@pytest.fixture(scope="module")
def server():
    with Product(domain="_routing.localhost", options={
            "more_mail_domains": f"{TWO}, xn--bcher-kva.example",
            "register_more_domains": "true",
            "mail_domain_aliases": f"{OLD}=_routing.localhost",
            "recipient_delimiter": "=+", "drain_seconds": 2}) as p:
        yield p


def account(server, domain):
    user = mail.new_name(domain)
    mail.imap(server, user).logout()
    return user


def subjects(at):
    kind, data = at.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert kind == "OK"
    return sorted(part[1].decode().split(":")[1].strip() for part in data if isinstance(part, tuple))


# --- domains ----------------------------------------------------------------------------

def test_each_domain_has_accounts_of_its_own(server):
    one = mail.new_account(server)
    two = one.split("@")[0] + "@" + TWO
    mail.imap(server, two).logout()
    client = foreign(server)
    for user, subject in ((one, "for one"), (two.upper(), "for two")):
        text = mail.encrypted(OUTSIDE, subject=subject)
        assert transaction(client, OUTSIDE, [user], text)[0] == [250, 250, 250]
    for user, want in ((one, ["for one"]), (two, ["for two"])):
        at = inbox(server, user)
        wait_for_messages(at, 1)
        assert subjects(at) == want
    # Who has an account in one has none in the others.
    assert transaction(client, OUTSIDE, [one.split("@")[0] + "@xn--bcher-kva.example"], "")[0][1] == 550


def test_a_domain_is_one_in_both_its_forms(server):
    user = account(server, "xn--bcher-kva.example")
    name = user.split("@")[0]
    client = foreign(server)
    client.putcmd("mail", f"FROM:<{OUTSIDE}> SMTPUTF8")
    assert client.getreply()[0] == 250
    client.send(f"RCPT TO:<{name}@{UMLAUT.upper()}>\r\n".encode())
    assert client.getreply()[0] == 250
    assert client.data(mail.encrypted(OUTSIDE, subject="umlaut"))[0] == 250
    wait_for_messages(inbox(server, user), 1)


def test_mail_within_goes_from_domain_to_domain(server):
    one, two = mail.new_account(server), account(server, TWO)
    mail.smtp(server, two).sendmail(two, [one], mail.encrypted(two))
    mail.smtp(server, one).sendmail(one, [two], mail.encrypted(one))
    for user in one, two:
        wait_for_messages(inbox(server, user), 1)
    # Nobody sends in another's name, in whichever domain that one is.
    for sender in (one.split("@")[0] + "@" + TWO, two):
        codes, _ = transaction(mail.smtp(server, one), sender, [two], "")
        assert codes[1] == 553


def test_other_servers_send_in_none_of_our_names(server):
    user = mail.new_account(server)
    client = foreign(server)
    for domain in (server.domain, TWO, OLD, "XN--bcher-kva.example"):
        codes, _ = transaction(client, f"mallory@{domain}", [user], "")
        assert codes[1] == 553, domain
        codes, text = transaction(client, OUTSIDE, [user], mail.encrypted(f"mallory@{domain}"))
        assert codes == [250, 250, 554] and "From header rejected" in text, domain
    codes, _ = transaction(client, OUTSIDE, ["a@third.example"], "")
    assert codes[1] == 554


def test_a_domain_alias_receives_and_nothing_else(server):
    user = mail.new_account(server)
    alias = user.split("@")[0] + "@" + OLD
    client = foreign(server)
    # Twice the same person is once.
    assert transaction(client, OUTSIDE, [alias, user], mail.encrypted(OUTSIDE))[0] == [250] * 4
    other = mail.new_account(server)
    mail.smtp(server, other).sendmail(other, [alias, f"nobody-there@{OLD}"], mail.encrypted(other))
    wait_for_messages(inbox(server, user), 2)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        mail.smtp(server, alias)
    with pytest.raises(imaplib.IMAP4.error):
        mail.imap(server, alias)
    assert transaction(mail.smtp(server, user), alias, [other], "")[0][1] == 553


def test_a_tag_begins_where_the_option_says(server):
    user = mail.new_account(server)
    name, domain = user.split("@")
    client = foreign(server)
    for tagged in (f"{name}=a@{domain}", f"{name}+a=b@{domain}"):
        assert transaction(client, OUTSIDE, [tagged], mail.encrypted(OUTSIDE))[0][-1] == 250
    wait_for_messages(inbox(server, user), 2)
    assert transaction(client, OUTSIDE, [f"{name}&a@{domain}"], "")[0][1] == 550
