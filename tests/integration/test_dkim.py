"""Signatures of mail from other servers, made by another implementation and checked with a
resolver's answers."""
import base64
import subprocess

import dkim
import pytest

import mail
from beside import running
from fake_dns import name_server
from test_smtp_rules import foreign, inbox, report, transaction, wait_for_messages

DOMAIN = "good.example"
AUTHOR = f"someone@{DOMAIN}"
NONE, NO_VALID = "5.7.1 No DKIM signature found", "5.7.1 No valid DKIM signature found: "
LATER = "4.4.3 The key of the DKIM signature cannot be looked up now"
PASSED = 'postbus_smtp_dkim_total{result="pass"}'


class Key:
    def __init__(self, folder, kind, *how):
        def run(*words):
            return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout
        file = folder / f"{kind}.pem"
        run("genpkey", "-algorithm", kind, *how, "-out", str(file))
        public = run("pkey", "-in", str(file), "-pubout", "-outform", "DER")
        self.algorithm = f"{kind}-sha256".encode()
        self.private = file.read_bytes()
        if kind == "ed25519":
            public = public[-32:]
            self.private = base64.b64encode(run("pkey", "-in", str(file), "-outform", "DER")[-32:])
        self.record = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {"rsa": Key(folder, "rsa", "-pkeyopt", "rsa_keygen_bits:2048"),
            "ed": Key(folder, "ed25519"), "other": Key(folder, "ed25519")}


@pytest.fixture
def checking(product, keys):
    """A way to start one with options; its name server knows the keys."""
    zone = {f"{name}._domainkey.{DOMAIN}": key.record for name, key in keys.items()}
    zone[f"revoked._domainkey.{DOMAIN}"] = "v=DKIM1; k=ed25519; p="
    zone[f"wrong._domainkey.{DOMAIN}"] = keys["other"].record
    zone["ed._domainkey.other.example"] = keys["ed"].record
    zone["ed._domainkey.xn--bcher-kva.example"] = keys["ed"].record
    with name_server(txt=zone) as names:
        yield lambda **options: running(product, "smtp-ingress", dns_resolver=names.address,
                                        dns_trust_anchor_file="none", **options)


def signed(key, text, selector, domain=DOMAIN, canon="relaxed/relaxed"):
    data = text.encode() if isinstance(text, str) else text
    header, body = canon.encode().split(b"/")
    return dkim.sign(data, selector.encode(), domain.encode(), key.private, canonicalize=(header, body),
                     signature_algorithm=key.algorithm) + data


def send(client, user, text, sender=AUTHOR):
    codes, said = transaction(client, sender, [user], text)
    assert codes[:2] == [250, 250]
    return codes[2], said


@pytest.mark.parametrize("selector", ["rsa", "ed"])
def test_signed_mail_is_delivered_without_its_signature(product, keys, checking, selector):
    user, canons = mail.new_account(product), [f"{h}/{b}" for h in ("simple", "relaxed") for b in ("simple", "relaxed")]
    with checking() as r, foreign(r) as client:
        for i, canon in enumerate(canons):
            text = mail.encrypted(AUTHOR, f"signed-{i}@test", extra="X-Odd:  a\r\n\t  b \r\nX-Odd:\r\n")
            assert send(client, user, signed(keys[selector], text, selector, canon=canon))[0] == 250
        assert r.metric(PASSED) == len(canons)
    at = inbox(product, user)
    wait_for_messages(at, len(canons))
    assert sorted(mail.message_ids(at)) == [f"signed-{i}@test" for i in range(len(canons))]
    assert b"DKIM-Signature" not in at.fetch("1", "(RFC822)")[1][0][1]


def test_each_twist_has_its_answer(product, keys, checking):
    user, text = mail.new_account(product), mail.encrypted(AUTHOR)
    good = signed(keys["ed"], text, "ed")
    armor = good.index(b"\r\n\r\n", good.index(b"BEGIN PGP MESSAGE")) + 4
    line = good[armor:armor + 64]
    plain = f"From: <{AUTHOR}>\r\nTo: <{user}>\r\nSubject: hi\r\n\r\nhello\r\n"
    international = mail.encrypted("someone@bücher.example").encode()
    cases = [
        (text, 554, NONE),
        (signed(keys["ed"], text, "missing"), 554, NO_VALID + "there is no key"),
        (signed(keys["ed"], text, "revoked"), 554, NO_VALID + "the key was revoked"),
        (signed(keys["ed"], text, "wrong"), 554, NO_VALID + "the signature does not match the header"),
        (signed(keys["rsa"], text, "ed"), 554, NO_VALID + "the key is of another type"),
        (signed(keys["ed"], text, "ed", domain="other.example"), 554, NO_VALID + "none is by the domain in From"),
        (good.replace(line, line[:8] + line[:7:-1]), 554, NO_VALID + "the body was changed"),
        (good.replace(b"[...]", b"[..]"), 554, NO_VALID + "the signature does not match the header"),
        (good.replace(b"bh=", b"l=10; bh=", 1), 554, NO_VALID + "the signature need not cover the whole body"),
        (plain, 523, "Encryption Needed"),
        (signed(keys["ed"], plain, "missing"), 523, "Encryption Needed"),
        (signed(keys["ed"], good, "wrong"), 250, ""),
        (signed(keys["rsa"], good, "missing", domain="other.example"), 250, ""),
        (signed(keys["ed"], international, "ed", domain="xn--bcher-kva.example"), 250, ""),
        (mail.encrypted("someone@_test.example"), 250, ""),  # our own begins with _
        (mail.encrypted("someone@[192.0.2.9]"), 250, ""),
    ]
    with checking() as r, foreign(r) as client:
        for i, (data, code, words) in enumerate(cases):
            got, said = send(client, user, data)
            assert (got, said[:len(words)]) == (code, words), i
        assert r.metric('postbus_smtp_refused_total{check="dkim"}') == sum(code == 554 for _, code, _ in cases)
    wait_for_messages(inbox(product, user), sum(code == 250 for _, code, _ in cases))


def test_reports_of_other_servers_are_signed_too(product, keys, checking):
    user = mail.new_account(product)
    text = report(f"MAILER-DAEMON@{DOMAIN}", user, 3000)
    with checking() as r, foreign(r) as client:
        assert send(client, user, text, sender="") == (554, NONE)
        assert send(client, user, signed(keys["rsa"], text, "rsa"), sender="")[0] == 250
    wait_for_messages(inbox(product, user), 1)


def test_a_dns_that_does_not_answer_makes_senders_try_again(product, keys, checking):
    user = mail.new_account(product)
    with checking(judge_seconds=1) as r, foreign(r) as client:
        code, said = send(client, user, signed(keys["ed"], mail.encrypted(AUTHOR), "silent-1"))
        assert (code, said[:len(LATER)]) == (451, LATER)
        # With another that holds nobody has to know.
        both = signed(keys["ed"], signed(keys["ed"], mail.encrypted(AUTHOR), "ed"), "silent-2")
        assert send(client, user, both)[0] == 250
    wait_for_messages(inbox(product, user), 1)


def test_a_large_message_and_its_dots(product, keys, checking):
    """Its pieces end anywhere, and SMTP doubles the dots of its lines."""
    user = mail.new_account(product)
    text = mail.encrypted(AUTHOR, "large@test", size=3_000_000) + ".\r\n..\r\n.x\r\n \r\n\r\n\r\n"
    with checking() as r, foreign(r) as client:
        for canon in ("relaxed/simple", "relaxed/relaxed"):
            assert send(client, user, signed(keys["rsa"], text, "rsa", canon=canon))[0] == 250
    wait_for_messages(inbox(product, user), 2)


def test_the_options(product, keys, checking):
    user, text = mail.new_account(product), mail.encrypted(AUTHOR)
    with checking(dkim="off") as r:
        assert send(foreign(r), user, text)[0] == 250
        assert r.threads("judge") == r.threads("dns") == 0
    with checking(dkim="ignore", dkim_no_sig_action="reject 550 5.7.20 Sign it") as r, foreign(r) as client:
        assert send(client, user, text) == (550, "5.7.20 Sign it")
        assert send(client, user, signed(keys["ed"], text, "missing"))[0] == 250
    with checking(dkim="ignore", dkim_broken_sig_action="reject") as r, foreign(r) as client:
        assert send(client, user, signed(keys["ed"], text, "missing")) == (550, "5.7.20 No passing DKIM signature found")
        assert send(client, user, signed(keys["ed"], text, "ed", domain="other.example"))[0] == 250
    with checking(dkim_temporary="ignore", judge_seconds=1) as r:
        assert send(foreign(r), user, signed(keys["ed"], text, "silent-3"))[0] == 250
    wait_for_messages(inbox(product, user), 4)
