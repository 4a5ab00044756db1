"""Several mail domains on one server, and which names in them reach whom."""
import imaplib
import json
import signal
import smtplib
import subprocess

import pytest

import mail
from beside import Beside, running
from product import Product, wait_for
from test_dkim_signing import zone
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

TWO, OLD = "_two.localhost", "_old.localhost"
UMLAUT = "b\u00fccher.example"


@pytest.fixture(scope="module")
def aliases(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "aliases"
    path.write_text("# nothing yet\n")
    return path


@pytest.fixture(scope="module")
def server(aliases):
    with Product(domain="_routing.localhost", options={
            "aliases": f"fixed: first0001, second001; @{TWO}: first0001@_routing.localhost",
            "aliases_file": str(aliases), "abuse_account": "first0001@_routing.localhost",
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

def test_a_file_that_is_not_there_yet(server, tmp_path):
    """Nobody is told for good that a name does not exist which it may have."""
    user, path = mail.new_account(server), tmp_path / "aliases"
    alias = f"coming001@{server.domain}"

    def answer(r, name):
        client = foreign(r)
        client.mail(OUTSIDE)
        return client.rcpt(name)[0]
    with running(server, "smtp-ingress", aliases_file=path) as r:
        assert (answer(r, alias), answer(r, user)) == (451, 250)
        for recipients in ([alias], [user, alias]):
            assert transaction(mail.smtp(r, user), user, recipients, mail.encrypted(user))[0][-1] == 451
        path.write_text(f"coming001: {user}\n")
        wait_for("it is read", lambda: answer(r, alias) == 250)
        assert answer(r, f"never0001@{server.domain}") == 550
        assert transaction(mail.smtp(r, user), user, [alias], mail.encrypted(user))[0][-1] == 250


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


def test_each_domain_has_a_key_for_its_zone(server):
    """A name that stands for a domain signs nothing."""
    names = {f"opendkim._domainkey.{d}" for d in ("_routing.localhost", TWO, "xn--bcher-kva.example")}
    records = wait_for("the keys", lambda: zone(server))
    assert set(records) == names and len(set(records.values())) == len(names)


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


# --- aliases ----------------------------------------------------------------------------

def write(server, aliases, text):
    """Another file in the place of the one that is there, and wait until it is read."""
    seen = log(server).count("aliases.")
    new = aliases.with_suffix(".new")
    new.write_text(text)
    new.rename(aliases)

    def is_read():
        # Only who looks something up looks at the file.
        foreign(server).rcpt("x")
        ask(server, "nobody-at-all@" + server.domain)
        return log(server).count("aliases.") > seen
    wait_for("the file to be read", is_read)


def log(server):
    return (server.run / "log/smtp-ingress.log").read_text()


def ask(server, recipient):
    client = foreign(server)
    client.mail(OUTSIDE)
    code, text = client.rcpt(recipient)
    client.quit()
    return code, text.decode()


def named(server, name):
    user = f"{name}@{server.domain}"
    mail.imap(server, user).logout()
    return user


def sent(server, user):
    """Message-IDs in the INBOX, and it is emptied for the next test."""
    at = inbox(server, user)
    ids = mail.message_ids(at)
    at.store("1:*", "+FLAGS", "\\Deleted")
    at.expunge()
    at.logout()
    return ids


def submit(server, sender, recipients, message_id):
    with mail.smtp(server, sender) as client:
        return transaction(client, sender, recipients, mail.encrypted(sender, message_id))


def test_one_name_reaches_many_and_each_of_them_once(server):
    first, second = named(server, "first0001"), named(server, "second001")
    author = mail.new_account(server)
    fixed = f"fixed@{server.domain}"
    client = foreign(server)
    text = mail.encrypted(OUTSIDE, "many@test")
    assert transaction(client, OUTSIDE, [fixed, first, f"Fixed+tag@{OLD}"], text)[0] == [250] * 5
    assert submit(server, author, [fixed, second, fixed.upper()], "within@test")[0] == [250] * 5
    for user in first, second:
        wait_for_messages(inbox(server, user), 2)
        assert sorted(sent(server, user)) == ["many@test", "within@test"]


def test_the_rest_of_a_domain_and_of_nobody(server):
    first = named(server, "first0001")
    someone = account(server, TWO)
    client = foreign(server)
    for to, message_id in ((f"whoever@{TWO}", "rest@test"), (someone, "own@test"),
                           (f"abuse@{server.domain}", "abuse@test")):
        assert transaction(client, OUTSIDE, [to], mail.encrypted(OUTSIDE, message_id))[0] == [250] * 3
    wait_for_messages(inbox(server, first), 2)
    assert sorted(sent(server, first)) == ["abuse@test", "rest@test"]
    wait_for_messages(inbox(server, someone), 1)
    assert ask(server, f"whoever@{server.domain}")[0] == 550
    # Without an option nobody is postmaster.
    assert ask(server, f"postmaster@{server.domain}")[0] == 550


def test_the_file_is_read_again_while_all_runs(server, aliases):
    first, second = named(server, "first0001"), named(server, "second001")
    pid = server.pid("smtp-ingress")
    info = f"info@{server.domain}"
    assert ask(server, info)[0] == 550
    write(server, aliases, "info: first0001\n/team-(first|second)@.*/: $1, gone\n"
                           "/t-(first0)(.*)@.*/: $1$2\n")
    assert ask(server, info)[0] == 250
    assert ask(server, f"t-first0001@{server.domain}")[0] == 250
    assert ask(server, f"t-first0002@{server.domain}")[0] == 550
    write(server, aliases, "info: second001\nbroken\n")
    assert 'line=2 reason="broken: is not name: targets"' in log(server)
    assert submit(server, mail.new_account(server), [info], "old@test")[0] == [250] * 3
    wait_for_messages(inbox(server, first), 1)
    assert sent(server, first) == ["old@test"]
    write(server, aliases, "info: second001, gone\n")
    assert submit(server, mail.new_account(server), [info], "new@test")[0] == [250] * 3
    wait_for_messages(inbox(server, second), 1)
    assert sent(server, second) == ["new@test"]
    assert server.pid("smtp-ingress") == pid


def test_a_loop_ends(server, aliases):
    first, author = named(server, "first0001"), mail.new_account(server)
    write(server, aliases, "one: two\ntwo: three, first0001\nthree: one\n"
                           "first0001: first0001, four\nfour: second001\n")
    code, text = ask(server, f"one@{server.domain}")
    assert code == 550 and "5.4.6" in text
    # Who submits is told as of any name that nobody has.
    codes, text = submit(server, author, [f"two@{server.domain}"], "loop@test")
    assert codes == [250, 250, 550] and "5.1.1" in text
    assert submit(server, author, [f"two@{server.domain}", first], "itself@test")[0][-1] == 250
    wait_for_messages(inbox(server, first), 1)
    wait_for_messages(inbox(server, named(server, "second001")), 1)
    assert sent(server, first) == sent(server, f"second001@{server.domain}") == ["itself@test"]
    wait_for_messages(inbox(server, author), 1)  # the report about the loop
    assert "aliases.loop" in log(server)


def test_what_leads_elsewhere_is_sent_on_as_it_came(server, aliases):
    first = named(server, "first0001")
    write(server, aliases, "far: first0001, someone@far.example, Other@far.example\n")
    signature = "DKIM-Signature: v=1; d=_elsewhere.example; s=s; a=rsa-sha256; b=AAAA; bh=BBBB; h=From\r\n"
    trace = "Received: from there by here; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    client = foreign(server)
    text = mail.encrypted(OUTSIDE, "far@test", extra=signature + trace)
    to = [f"far@{server.domain}"]
    assert transaction(client, OUTSIDE, to, text)[0] == [250] * 3
    at = inbox(server, first)
    wait_for_messages(at, 1)
    got = at.fetch("1", "(RFC822)")[1][0][1].decode()
    assert signature in got and trace in got
    assert sent(server, first) == ["far@test"]
    row = server.sql("SELECT sender, rcpt, prefix LIKE '%DKIM-Signature%', "
                     "count(*) OVER () FROM queue_remote WHERE domain = 'far.example'")
    # One row, the sender's envelope, and no signature of ours.
    assert row == f"{OUTSIDE}|{{Other@far.example,someone@far.example}}|f|1"
    # Never in clear, whatever the accounts take.
    server.sql("UPDATE account SET flags = flags | 1 WHERE addr = '%s'" % first)
    plain = (f"From: <{OUTSIDE}>\r\nTo: <{first}>\r\nSubject: hi\r\nMessage-ID: <clear@test>\r\n"
             "\r\nhello\r\n")
    assert transaction(client, OUTSIDE, [first], plain)[0][-1] == 250
    assert transaction(client, OUTSIDE, to, plain)[0][-1] == 523
    server.sql("UPDATE account SET flags = flags & ~1 WHERE addr = '%s'" % first)
    wait_for_messages(at, 1)
    sent(server, first)
    # Local and foreign ones in one submission, some by alias.
    author = mail.new_account(server)
    assert submit(server, author, [*to, "third@third.example"], "mixed@test")[0] == [250] * 4
    wait_for_messages(inbox(server, first), 1)
    assert server.sql("SELECT domain, rcpt FROM queue_remote WHERE sender = '%s' ORDER BY domain"
                      % author) == ("far.example|{Other@far.example,someone@far.example}\n"
                                    "third.example|{third@third.example}")
    assert sent(server, first) == ["mixed@test"]


def test_the_table_is_changed_while_all_runs(server, aliases):
    first, second = named(server, "first0001"), named(server, "second001")
    write(server, aliases, "other: second001\n")

    def ctl(*words, status=0):
        done = subprocess.run([server.run / "postbusctl", "alias", *words, "--json"],
                              capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout) if status == 0 else done.stderr

    info = f"help@{server.domain}"
    assert ask(server, info)[0] == 550
    assert ctl("set", "Help", f"first0001, {second}") == {"help": ["first0001", second]}
    assert ctl("set", f"more@{OLD}", "help")
    assert ctl("list") == {"help": ["first0001", second], f"more@{server.domain}": ["help"]}
    client = foreign(server)
    text = mail.encrypted(OUTSIDE, "table@test")
    assert transaction(client, OUTSIDE, [f"more@{server.domain}", first], text)[0] == [250] * 4
    assert submit(server, mail.new_account(server), [info], "own@test")[0] == [250] * 3
    for user in first, second:
        wait_for_messages(inbox(server, user), 2)
        assert sorted(sent(server, user)) == ["own@test", "table@test"]
    assert "one of this server's domains" in ctl("set", "x@far.example", "first0001", status=1)
    for wrong in ("|/bin/sh", 'first0001, "quoted"@far.example', "first0001, back\\slash@far.example", ","):
        assert "targets" in ctl("set", "x", wrong, status=1)
    assert ctl("remove", "help") == {} and ctl("remove", f"more@{server.domain}") == {}
    ctl("remove", "help", status=3)
    assert ctl("list") == {} and ask(server, info)[0] == 550


def test_a_crash_in_between_loses_nothing(server):
    """250, and the worker dies: each target has the message once."""
    first, second = named(server, "first0001"), named(server, "second001")
    author = mail.new_account(server)
    with mail.smtp(server, author) as client:
        for i in range(8):
            text = mail.encrypted(author, f"crash{i}@test")
            assert transaction(client, author, [f"fixed@{server.domain}"], text)[0] == [250] * 3
            if i in (2, 5):
                server.restart("queue-worker", signal.SIGKILL)
    for user in first, second:
        wait_for_messages(inbox(server, user), 8)
        assert sent(server, user) == [f"crash{i}@test" for i in range(8)]


# --- senders ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def replacing(server):
    rows = [f"{OUTSIDE}: returns@_returns.example", f"@_desk.example: desk00001@{server.domain}",
            r"/(.*)@(_lists\.example)/: returns+$1=$2@_returns.example", "/(.*)%(.*)@.*/: $1@$2",
            # An expression may fit accounts, and does nothing to them.
            r"/[a-z0-9]+@_routing\.localhost/: taken@_returns.example"]
    desk = named(server, "desk00001")
    with running(server, "smtp-ingress", replace_sender=";".join(rows), postmaster_account=desk,
                 aliases="onward01: second001, someone@onward.example",
                 unknown_recipients="accept", lmtp_networks="127.0.0.0/8") as r:
        yield r


def return_paths(server, user, count):
    at = inbox(server, user)
    wait_for_messages(at, count)
    found = [at.fetch(str(i), "(BODY.PEEK[HEADER.FIELDS (RETURN-PATH)])")[1][0][1].decode().strip()
             for i in range(1, count + 1)]
    sent(server, user)
    return [line.removeprefix("Return-Path: ") for line in found]


def test_another_address_stands_for_a_sender(server, replacing):
    """In the mailbox and on the way to where an alias leads; what the message says is untouched."""
    user, to = named(server, "second001"), f"onward01@{server.domain}"
    for sender in (OUTSIDE, "Ann@_lists.example", "ann@_desk.example", ""):
        text = mail.encrypted(OUTSIDE, f"{sender or 'nobody'}@test")
        assert transaction(foreign(replacing), sender, [to], text)[0] == [250] * 3
    with smtplib.LMTP("127.0.0.1", replacing.port(2424), timeout=30) as client:
        client.sendmail(OUTSIDE, [user], mail.encrypted(OUTSIDE))
    # One would be an account of ours, for all that smtp-ingress knows: it stays.
    at = f"x%{server.domain}@_elsewhere.example"
    assert transaction(foreign(replacing), at, [user], mail.encrypted(at))[0] == [250] * 3
    ann = "returns+ann=_lists.example@_returns.example"
    desk = f"desk00001@{server.domain}"
    in_box = ["returns@_returns.example", ann, desk, "", "returns@_returns.example", at]
    assert sorted(return_paths(server, user, 6)) == sorted(f"<{a}>" for a in in_box)
    assert replacing.logged("replace_sender.not_done")
    rows = server.sql("SELECT sender, prefix LIKE '%DKIM-Signature%' FROM queue_remote "
                      "WHERE domain = 'onward.example'").splitlines()
    assert sorted(rows) == sorted(f"{a}|f" for a in in_box[:4])


def test_reports_go_to_whom_stands_for_the_sender(server, replacing):
    """Also where the author is another than the sender, who would get none."""
    gone, desk = f"gone00001@{server.domain}", f"desk00001@{server.domain}"
    for sender, author in (("ann@_desk.example", "ann@_desk.example"), ("list@_desk.example", OUTSIDE)):
        assert transaction(foreign(replacing), sender, [gone], mail.encrypted(author))[0] == [250] * 3
    assert return_paths(server, desk, 2) == ["<>"] * 2
    assert transaction(foreign(replacing), OUTSIDE, [gone], mail.encrypted(OUTSIDE))[0] == [250] * 3
    wait_for("the report", lambda: server.sql(
        "SELECT sender, rcpt FROM queue_remote WHERE domain = '_returns.example'")
        == "|{returns@_returns.example}")


def test_what_accounts_send_keeps_their_address(server, replacing):
    user, friend = mail.new_account(server), mail.new_account(server)
    to = [friend, "someone@kept.example"]
    assert transaction(mail.smtp(replacing, user), user, to, mail.encrypted(user))[0] == [250] * 4
    assert return_paths(server, friend, 1) == [f"<{user}>"]
    assert server.sql("SELECT sender FROM queue_remote WHERE domain = 'kept.example'") == user
    # Nor does anybody send in their names, whatever stands for whom.
    assert transaction(foreign(replacing), user, [friend], "")[0][1] == 553


@pytest.mark.parametrize("rows, why", [
    ("a@far.example: b@far.example; broken", "row 2: broken: is not name: targets"),
    ("a@far.example: b@far.example, c@far.example", "row 1: c@far.example: is one too many"),
    ("@far.example: x@_routing.localhost", "only postmaster_account and abuse_account"),
    (f"x@{OLD}: x@far.example", "in one of this server's domains"),
])
def test_bad_rows_for_senders_end_the_start(server, rows, why):
    said = Beside(server, "smtp-ingress", {"replace_sender": rows}).refuses_to_start()
    assert "replace_sender.bad_option" in said and why in said
