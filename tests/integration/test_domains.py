"""What the domains of a sender and of an author say of mail from another server: SPF and DMARC."""
import email
import re

import pytest

import mail
from beside import running
from fake_dns import TXT, name_server
from test_dkim import Key, signed
from test_policy import junk
from test_smtp_rules import foreign, inbox, transaction, wait_for_messages

NOBODY = "someone@_elsewhere.example"  # of whose domain no DNS says anything
ZONE = {
    "open.example": "v=spf1 ip4:127.0.0.1 -all",
    "closed.example": "v=spf1 exp=why.closed.example -all",
    "why.closed.example": "%{i} is not %{o}'s",
    "soft.example": "v=spf1 ~all",
    "neutral.example": "v=spf1 ?all",
    "broken.example": "v=spf1 nonsense:x -all",
    "late.example": "v=spf1 include:fail-1.example -all",
    "reject.example": "v=spf1 -all",
    "_dmarc.reject.example": "v=DMARC1; p=reject; sp=quarantine",
    "_dmarc.sampled.example": "v=DMARC1; p=reject; pct=0",
    "_dmarc.idle.example": "v=DMARC1; p=none",
}


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return Key(tmp_path_factory.mktemp("keys"), "ed25519")


@pytest.fixture
def names(key):
    with name_server(txt={**ZONE, "s._domainkey.reject.example": key.record}) as n:
        yield n


def judging(product, names, **options):
    return running(product, "smtp-ingress", dns_resolver=names.address, dns_trust_anchor_file="none",
                   **{"dkim": "off", **options})


def send(client, user, sender, author, **more):
    codes, said = transaction(client, sender, [user], mail.encrypted(author, **more))
    assert codes[:2] == [250, 250]
    return codes[2], said


SPF = {
    "open": (250, ""),
    "closed": (550, "5.7.23 closed.example says by SPF that this host may not send its mail; it "
                    "explains: 127.0.0.1 is not closed.example's"),
    "soft": (550, "5.7.23 soft.example says by SPF that this host should not send its mail"),
    "neutral": (550, "5.7.23 neutral.example says by SPF nothing about this host"),
    "nowhere": (550, "5.7.23 nowhere.example does not say by SPF who may send its mail"),
    "broken": (550, "5.7.24 broken.example has an SPF record that cannot be read"),
    "late": (451, "4.7.24 late.example has an SPF record that cannot be looked up now"),
}


def test_each_result_of_spf_has_its_reply(product, names):
    user = mail.new_account(product)
    with judging(product, names, spf_fail_action="reject", spf_softfail_action="reject",
                 spf_neutral_action="reject", spf_none_action="reject",
                 spf_permerr_action="reject") as r, foreign(r) as client:
        for domain, (code, text) in SPF.items():
            got, said = send(client, user, f"a@{domain}.example", NOBODY)
            assert (got, said[:len(text)]) == (code, text), domain
        assert r.metric('postbus_smtp_refused_total{check="spf"}') == 6
        with mail.smtp(r, user) as own:  # is not looked at
            own.sendmail(user, [user], mail.encrypted(user))
        assert r.metric('postbus_smtp_spf_total{result="none"}') == 1
    wait_for_messages(inbox(product, user), 2)


def test_the_words_of_a_policy_are_the_reply(product, names):
    user = mail.new_account(product)
    with judging(product, names, spf_fail_action="reject 554 5.7.1 Not from there",
                 spf_temporary="ignore") as r, foreign(r) as client:
        assert send(client, user, "a@closed.example", NOBODY) == (554, "5.7.1 Not from there")
        for domain in ("late", "soft"):
            assert send(client, user, f"a@{domain}.example", NOBODY)[0] == 250
    wait_for_messages(inbox(product, user), 2)


def test_what_authors_want_is_done(product, names, key):
    user = mail.new_account(product)
    with judging(product, names, dmarc="reject", spf_fail_action="reject") as r, foreign(r) as client:
        wanted = "5.7.1 reject.example wants mail that it has not sent refused (DMARC)"
        assert send(client, user, "a@open.example", "b@reject.example") == (550, wanted)
        # SPF's own action waits for what DMARC says, and DMARC for DKIM.
        assert send(client, user, "a@reject.example", "b@reject.example") == (550, wanted)
        text = signed(key, mail.encrypted("b@reject.example"), "s", domain="reject.example")
        assert transaction(client, "a@reject.example", [user], text)[0][2] == 250
        assert send(client, user, "a@closed.example", "b@idle.example")[0] == 550
        code, said = send(client, user, "a@open.example", "b@fail-1.example")
        assert code == 451 and said.startswith("4.7.1 Whether fail-1.example has sent this")
        assert r.metric('postbus_smtp_dmarc_total{result="fail"}') == 2
    with judging(product, names, dmarc="reject", dmarc_temporary="ignore",
                 spf_fail_action="reject", spf_enforce_early="true") as r, foreign(r) as client:
        text = signed(key, mail.encrypted("b@reject.example"), "s", domain="reject.example")
        assert transaction(client, "a@reject.example", [user], text)[0][2] == 550
        assert send(client, user, "a@open.example", "b@fail-2.example")[0] == 250
    wait_for_messages(inbox(product, user), 2)


def test_quarantine_is_junk(product, names):
    """By SPF's policy, and by what an author's domain publishes: sp and pct make p=reject milder."""
    user = mail.new_account(product)
    with judging(product, names, dmarc="reject", spf_fail_action="quarantine") as r, foreign(r) as client:
        for i, (sender, author) in enumerate([("closed", NOBODY), ("open", "b@sub.reject.example"),
                                              ("open", "b@sampled.example"), ("open", NOBODY)]):
            assert send(client, user, f"a@{sender}.example", author, message_id=f"{i}@test")[0] == 250
        assert r.metric('postbus_smtp_quarantined_total{check="spf"}') == 1
        assert r.metric('postbus_smtp_quarantined_total{check="dmarc"}') == 2
    assert sorted(junk(product, user, 3)) == ["0@test", "1@test", "2@test"]
    at = inbox(product, user)
    wait_for_messages(at, 1)
    assert mail.message_ids(at) == ["3@test"]


def test_a_policy_of_ours_is_the_most_that_follows(product, names):
    user = mail.new_account(product)
    with judging(product, names, dmarc="quarantine") as r, foreign(r) as client:
        assert send(client, user, "a@open.example", "b@reject.example", message_id="0@test")[0] == 250
    assert junk(product, user, 1) == ["0@test"]
    with judging(product, names, dmarc="ignore") as r, foreign(r) as client:
        assert send(client, user, "a@open.example", "b@reject.example")[0] == 250
        assert r.logged("smtp.objected .*check=dmarc policy=ignore")
    wait_for_messages(inbox(product, user), 1)


def test_the_verdict_may_stand_in_the_header(product, names, key):
    forged = f"Authentication-Results: mail.{product.domain}; spf=pass smtp.mailfrom=x\r\n"
    user = mail.new_account(product)
    # Whatever address stands for a sender, the one that was given is judged.
    with judging(product, names, dmarc="ignore", authentication_results="true",
                 replace_sender="@soft.example: returns@closed.example") as r, foreign(r) as client:
        text = mail.encrypted("b@reject.example", extra=forged)
        text = signed(key, text, "s", domain="reject.example")
        assert transaction(client, "a@soft.example", [user], text)[0][2] == 250
        with mail.smtp(r, user) as own:
            own.sendmail(user, [user], mail.encrypted(user, extra=forged))
        log = r.log.read_text()
    assert 'verdict="dkim=pass spf=softfail dmarc=pass"' in log
    assert "soft.example" not in log and "reject.example" not in log
    at = inbox(product, user)
    wait_for_messages(at, 2)
    got = [email.message_from_bytes(at.fetch(str(i), "(RFC822)")[1][0][1]) for i in (1, 2)]
    found = [m.get_all("Authentication-Results", []) for m in got]
    assert sorted(map(len, found)) == [0, 1]
    assert {m["Return-Path"] for m in got} == {f"<{user}>", "<returns@closed.example>"}
    field = re.sub(r"\s+", " ", max(found)[0])
    assert re.fullmatch(
        r"\S+; dkim=pass reason=\"good signature\" header\.d=reject\.example( header\.\w=\S+)*; "
        r"spf=softfail smtp\.mailfrom=soft\.example; dmarc=pass header\.from=reject\.example", field), field


def test_by_default_only_a_key_is_asked_for(product, names, key):
    user = mail.new_account(product)
    text = signed(key, mail.encrypted("b@reject.example"), "s", domain="reject.example")
    text = signed(key, text, "s", domain="m.reject.example")
    with judging(product, names, dkim=None) as r, foreign(r) as client:
        assert transaction(client, "a@closed.example", [user], text)[0][2] == 250
        assert names.asked == {("s._domainkey.reject.example", TXT)}
        assert r.metric('postbus_smtp_spf_total{result="fail"}') == 0
    with judging(product, names) as r, foreign(r) as client:
        assert send(client, user, "a@closed.example", "b@reject.example")[0] == 250
        assert r.threads("judge") == r.threads("dns") == 0
    wait_for_messages(inbox(product, user), 2)
