"""What is taken as encrypted, or as somebody's, other readers read the same way.

Good messages are changed at random in their headers and between their parts, as somebody would
who looks for a reading that shows a letter.  What the server still takes is read by Python's two
parsers, the old lenient one and the one by the RFCs.
"""
import email
import email.policy
import email.utils
import random
import smtplib

import pytest

import mail
from product import Product

ROUNDS, SEED = 3000, 20
POLICIES = [email.policy.compat32, email.policy.default]
# What readers are known to differ about.
PIECES = [
    "", " ", "\t", ":", ";", ",", "/", "\\", "\"", "(", ")", "(x)", "<", ">", "@", "=", "=?", "?=",
    "\r\n", "\r\n ", "\r\n\r\n", "\xe4", "*", "*0", "*=", "us-ascii''b", "--b", "--b--", "--",
    "boundary=c", "; boundary=c", "boundary", "text/html", ", text/html", "/../text/html",
    "Content-Type: text/html\r\n", "Content-Type : text/html\r\n",
    "Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Transfer-Encoding: 7bit\r\n", "base64", "Dear all\r\n", "From eve\r\n", "From: <eve@x>\r\n",
    "<eve@x>", ", <eve@x>", "eve@x", "eve@x, ", "friends: ", "@eve:", "=?utf-8?q?b?=", "=?us-ascii?q?=22?=",
    "\r\n--b\r\nContent-Type: text/html\r\n\r\nBuy now!\r\n", "multipart/mixed",
    "message/rfc822", "text/plain",
]


def seeds(sender):
    armor = mail.armored(40)
    head = f"From: Alice <{sender}>\r\nTo: x: ;\r\nSubject: [...]\r\nMIME-Version: 1.0\r\n"
    yield (head + "Content-Type: multipart/encrypted; boundary=\"b\"\r\n\r\n--b\r\n"
           "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n"
           f"Content-Type: application/octet-stream; name=\"x.asc\"\r\n\r\n{armor}\r\n--b--\r\n")
    yield (f"From: <{sender}>\r\nSecure-Join: vc-request\r\n"
           "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
           "Content-Type: text/plain; charset=utf-8\r\n\r\nSecure-Join: vc-request\r\n--b--\r\n")


def changed(draw, text):
    """One to three changes, mostly one, mostly not in the armor."""
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        end = text.find("-----BEGIN") if draw.random() < 0.9 else len(text)
        at = draw.randrange(end if end > 0 else len(text))
        text = text[:at] + draw.choice(PIECES) + text[at + draw.choice([0, 0, 0, 1, 2, 5]):]
    return text


def well_formed(text):
    """The lines as SMTP can carry them."""
    return "\r\n".join(text.replace("\r", "").split("\n"))


def disagrees(data, policy, sender):
    """What a reader sees that the server cannot have meant; None: nothing."""
    m = email.message_from_bytes(data, policy=policy)
    authors = email.utils.getaddresses([str(v) for v in m.get_all("From", [])])
    if [a.lower() for _, a in authors] != [sender]:
        return f"From {authors}"
    parts = m.get_payload()
    if not isinstance(parts, list):
        return f"no parts, {m.get_content_type()}"
    kinds = [p.get_content_type() for p in parts]
    if m.get_content_type() == "multipart/encrypted":
        if kinds != ["application/pgp-encrypted", "application/octet-stream"]:
            return f"parts {kinds}"
        text = parts[1].get_payload(decode=True).strip()
        return None if text.startswith(b"-----BEGIN PGP MESSAGE-----") else f"data {text[:40]}"
    text = parts[0].get_payload(decode=True).strip().lower()
    if kinds != ["text/plain"] or text != b"secure-join: vc-request":
        return f"parts {kinds}, {text[:40]}"
    return None


@pytest.fixture(scope="module")
def busy():
    with Product(domain="_readers.localhost",
                 options={"max_user_send_per_minute": 1000000,
                          "max_user_send_burst_size": 1000000}) as p:
        yield p


def test_what_is_taken_is_read_the_same_way_by_others(busy):
    user, draw = mail.new_account(busy), random.Random(SEED)
    client = mail.smtp(busy, user)
    taken, texts = 0, list(seeds(user))
    for _ in range(ROUNDS):
        data = well_formed(changed(draw, draw.choice(texts))).encode("latin-1")
        try:
            client.sendmail(user, [user], data)
        except smtplib.SMTPServerDisconnected:
            client = mail.smtp(busy, user)
            continue
        except smtplib.SMTPResponseException:
            continue
        taken += 1
        for policy in POLICIES:
            difference = disagrees(data, policy, user)
            assert difference is None, f"{difference}:\n{data.decode('latin-1')}"
    assert taken > ROUNDS / 20, f"{taken} taken of {ROUNDS}: the changes are too wild"
