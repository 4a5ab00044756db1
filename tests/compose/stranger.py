"""stranger.py VERB HOST NAME - what somebody does who comes from an address of their own.

HOST is where the server is reached, NAME what it is called.  Verbs:
    joins           makes the account that the next two guess the password of
    is-limited      wrong passwords until no more are looked at
    is-not-limited  a wrong password is looked at
    crowds          holds as many connections to port 25 as it gets until its input ends
    gets-in         port 25 greets
    floods          asks for accounts until the server refuses, also in other people's names
    asks            asks for an account and gets one
    gets-new        prints where GET /new leads
"""
import http.client
import imaplib
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import mail  # noqa: E402
from product import wait_for  # noqa: E402

verb, host, name = sys.argv[1:]
KNOWN = f"stranger9@{name}"
MANY = 200


def guess():
    """The server's word on a wrong password."""
    client = imaplib.IMAP4_SSL(host, 993, ssl_context=mail.tls(), timeout=30)
    try:
        client.login(KNOWN, "wrong-password")
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        client.shutdown()
    raise AssertionError("a wrong password was accepted")


def web(method, headers):
    """Status and headers; the name goes into SNI and Host, the connection to HOST."""
    connection = http.client.HTTPSConnection(name, context=mail.tls(), timeout=30)
    connection._create_connection = lambda _, *rest: socket.create_connection((host, 443), *rest)
    try:
        connection.request(method, "/new", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


def ask(headers=None):
    return web("POST", headers or {})[0]


def greets(s):
    try:
        return s.recv(100).startswith(b"220")
    except OSError:
        return False


def is_open(s):
    s.setblocking(False)
    try:
        return s.recv(100)[:3] not in (b"", b"421")
    except BlockingIOError:
        return True
    except OSError:
        return False


if verb == "joins":
    imaplib.IMAP4_SSL(host, 993, ssl_context=mail.tls(), timeout=30).login(KNOWN, mail.PASSWORD)
elif verb == "is-limited":
    words = [guess() for _ in range(25)]
    assert "AUTHENTICATIONFAILED" in words[0], words[0]
    assert "UNAVAILABLE" in words[-1], words[-1]
elif verb == "is-not-limited":
    assert "AUTHENTICATIONFAILED" in (word := guess()), word
elif verb == "crowds":
    held = [socket.create_connection((host, 25), timeout=30) for _ in range(MANY)]
    assert all(map(greets, held)), "one of them was not even greeted"
    # Whoever comes when his network's part is full drives out one of his own.
    wait_for("no more than a network's part", lambda: 0 < sum(map(is_open, held)) < MANY / 2)
    print("crowded", flush=True)
    sys.stdin.read()
elif verb == "gets-in":
    with socket.create_connection((host, 25), timeout=30) as s:
        assert greets(s), "not greeted"
elif verb == "floods":
    assert any(ask() == 429 for _ in range(MANY)), "no limit for one client's requests"
    # A fresh address for each request: if these were believed, most would be answered.
    for header in ("X-Forwarded-For", "Forwarded"):
        form = "{}" if header == "X-Forwarded-For" else "for={}"
        answers = [ask({header: form.format(f"203.0.113.{i}")}) for i in range(30)]
        assert answers.count(429) > 15, f"a made-up {header} evades the limit: {answers}"
elif verb == "asks":
    assert (status := ask()) == 200, status
elif verb == "gets-new":
    status, headers = web("GET", {})
    print(status, headers["Location"])
else:
    raise SystemExit(__doc__)
