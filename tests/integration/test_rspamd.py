"""rspamd is asked about messages that everything else has let pass: Debian's, and one that a
test plays itself, which answers oddly."""
import contextlib
import http.server
import json
import os
import shutil
import subprocess
import threading
import urllib.request

import pytest

import mail
from beside import running
from product import free_port, wait_for
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
CONFIG = """
options {{ pidfile = "{folder}/pid"; filters = ""; tempdir = "{folder}";
  control_socket = "{folder}/control mode=0600";
  dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }}
  url_tld = "/usr/share/rspamd/effective_tld_names.dat"; }}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
"""


class Fake(http.server.ThreadingHTTPServer):
    """Answers as `says` tells, and keeps what it was asked."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.gate = [], threading.Event()
        self.says(action="no action")
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def says(self, status=200, raw=None, cut=0, **answer):
        self.status, self.cut = status, cut
        self.body = raw if raw is not None else json.dumps({"score": 1.5, **answer}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        fake = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fake.asked.append((self.path, self.headers, body))
        if fake.status == "held":
            fake.gate.wait(60)
        if fake.status == "silent":
            self.close_connection = True
            return
        self.send_response(200 if fake.status == "held" else fake.status)
        self.send_header("Content-Length", str(len(fake.body) + fake.cut))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(fake.body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def fake():
    f = Fake()
    yield f
    f.gate.set()
    f.shutdown()
    f.server_close()


@pytest.fixture(scope="module")
def asking(product, fake):
    with running(product, "smtp-ingress", rspamd_url=fake.url + "/", rspamd_direction="both",
                 rspamd_settings_id="ours", rspamd_tag="chat", rspamd_flags="groups",
                 rspamd_add_header_action="quarantine",
                 rspamd_rewrite_subj_action="reject 550 5.7.1 no such subjects here",
                 rspamd_error_resp_action="reject 452 4.3.0 the judge is odd",
                 rspamd_soft_reject_action="reject 451 4.7.0 not so fast",
                 rspamd_reject_action="reject 554 5.7.1",
                 rspamd_io_error_action="reject", judge_threads=1) as r:
        yield r


def submit(r, user, friend, text=None):
    """The reply to a submission."""
    return transaction(mail.smtp(r, user), user, [friend], text or mail.encrypted(user))


def test_what_rspamd_is_told(product, fake, asking):
    user = mail.new_account(product)
    fake.says(action="no action")
    fake.asked.clear()
    text = mail.encrypted(OUTSIDE, "told@test")
    assert transaction(foreign(asking), OUTSIDE, [user], text)[0][-1] == 250
    path, headers, body = fake.asked[-1]
    assert path == "/checkv2"
    told = {n: headers.get_all(n) for n in ("IP", "Helo", "From", "Rcpt", "User", "MTA-Tag", "Flags",
                                            "Settings-ID", "TLS-Version", "MTA-Name")}
    assert told == {"IP": ["127.0.0.1"], "Helo": ["mx.elsewhere.example"], "From": [OUTSIDE],
                    "Rcpt": [user], "User": None, "MTA-Tag": ["chat"], "Flags": ["groups"],
                    "Settings-ID": ["ours"], "TLS-Version": ["TLSv1.3"],
                    "MTA-Name": ["[127.0.0.1]"]}
    assert asking.logged(f"smtp.accepted.*queue={headers['Queue-Id']}")
    verdict, rest = body.split(b"From: ", 1)
    assert verdict.startswith(b"Authentication-Results: ") and b"dkim=" in verdict
    assert rest.decode() == text.split("From: ", 1)[1]
    at = inbox(product, user)
    wait_for_messages(at, 1)

    assert submit(asking, user, user)[0][-1] == 250
    assert fake.asked[-1][1]["User"] == user


CASES = [
    (dict(action="no action"), 250, ""),
    (dict(action="greylist"), 250, ""),
    (dict(action="add header"), 250, ""),
    (dict(action="rewrite subject"), 550, "5.7.1 no such subjects here"),
    (dict(action="soft reject", messages={"smtp_message": "greylisted"}), 451, "4.7.0 not so fast"),
    (dict(action="reject"), 554, "5.7.1 Message rejected due to a local policy"),
    (dict(action="reject", messages={"smtp_message": "spam\r\n250 ok"}), 554, "5.7.1 spam??250 ok"),
    (dict(action="discard"), 554, "5.7.1 "),
    (dict(status=500, raw=b"{}"), 452, "4.3.0 the judge is odd"),
    (dict(raw=b"<html>"), 452, "4.3.0 "),
    (dict(raw=b'{"action":"reject"'), 452, "4.3.0 "),
    (dict(action="who knows"), 452, "4.3.0 "),
    (dict(raw=b"{" + b" " * (1 << 20) + b"}"), 451, "4.7.1 "),
    (dict(action="no action", cut=10), 451, "4.7.1 "),
    (dict(status="silent"), 451, "4.7.1 "),
]


def test_each_answer_has_its_reply(product, fake, asking):
    user = mail.new_account(product)
    client = foreign(asking)
    for answer, code, text in CASES:
        fake.says(**answer)
        codes, said = transaction(client, OUTSIDE, [user], mail.encrypted(OUTSIDE))
        assert (codes[-1], said[:len(text)]) == (code, text), answer
    assert asking.metric('postbus_smtp_quarantined_total{check="rspamd"}') == 1


def test_spam_is_marked(product, fake):
    """And by default delivered as all mail."""
    user = mail.new_account(product)
    with running(product, "smtp-ingress", rspamd_url=fake.url) as r:
        for action in ("add header", "rewrite subject"):
            fake.says(action=action)
            assert transaction(foreign(r), OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 250
        fake.says(action="soft reject")
        codes, said = transaction(foreign(r), OUTSIDE, [user], mail.encrypted(OUTSIDE))
        assert (codes[-1], said) == (450, "4.7.0 Message rejected due to a local policy")
        fake.says(action="reject")
        assert transaction(foreign(r), OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 550
    at = inbox(product, user)
    wait_for_messages(at, 2)
    for number in "12":
        assert b"\r\nX-Spam-Flag: Yes\r\nX-Spam-Score: 1.50\r\n" in at.fetch(number, "(RFC822)")[1][0][1]


def test_headers_are_added_and_removed(product, fake, asking):
    user = mail.new_account(product)
    fake.says(action="greylist", milter={
        "add_headers": {"X-Top": {"value": "1", "order": 0}, "X-End": ["a", {"value": "b"}],
                        "X-Bad": "two\r\nBcc: lines", "Bad name": "x"},
        "remove_headers": {"X-Theirs": 0, "Chat-Version": 1}})
    text = mail.encrypted(OUTSIDE, "changed@test", extra="X-Theirs: 1\r\nX-theirs: 2\r\n")
    assert transaction(foreign(asking), OUTSIDE, [user], text)[0][-1] == 250
    at = inbox(product, user)
    wait_for_messages(at, 1)
    head, body = at.fetch("1", "(RFC822)")[1][0][1].split(b"\r\n\r\n", 1)
    assert head.split(b"\r\n")[1:3] == [b"X-Spam-Score: 1.50", b"X-Top: 1"]
    assert head.endswith(b"X-End: a\r\nX-End: b")
    for gone in (b"X-Theirs", b"X-theirs", b"Chat-Version", b"X-Bad", b"Bcc", b"Bad name"):
        assert gone not in head
    assert body.decode() == text.split("\r\n\r\n", 1)[1]


def test_what_was_changed_must_pass_again(product, fake, asking):
    """Who is asked may not make a message that would have been refused."""
    user = mail.new_account(product)
    fake.says(action="no action", milter={"remove_headers": {"Content-Type": 0}})
    assert submit(asking, user, user)[1] == "Encryption Needed: Invalid Unencrypted Mail"
    fake.says(action="no action", milter={"add_headers": {"From": "<a@b.example>"}})
    assert submit(asking, user, user)[0][-1] == 500
    fake.says(action="no action")
    assert submit(asking, user, user)[0][-1] == 250


def test_refused_messages_are_not_asked_about(product, fake, asking):
    user = mail.new_account(product)
    fake.says(action="no action")
    before = len(fake.asked)
    assert submit(asking, user, user, f"From: <{user}>\r\n\r\nhello\r\n")[0][-1] == 523
    unsigned = "someone@elsewhere.example"
    assert transaction(foreign(asking), unsigned, [user], mail.encrypted(unsigned))[0][-1] >= 450
    assert len(fake.asked) == before


def test_who_hangs_up_meanwhile_leaves_nothing(product, fake, asking):
    user = mail.new_account(product)
    fake.says(status="held", action="no action")
    before = len(fake.asked)
    client = foreign(asking)
    client.mail(OUTSIDE)
    client.rcpt(user)
    client.docmd("DATA")
    client.send(mail.encrypted(OUTSIDE).encode() + b".\r\n")
    wait_for("it asks", lambda: len(fake.asked) > before)
    client.close()
    wait_for("it waits no more", lambda: asking.metric("postbus_smtp_waiting_messages") == 0)
    fake.gate.set()
    fake.says(action="no action")
    assert transaction(foreign(asking), OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 250
    wait_for_messages(inbox(product, user), 1)


def test_one_that_is_away_or_slow(product, fake):
    """Nothing follows by default; whom it is not asked about goes the short way."""
    user = mail.new_account(product)
    with running(product, "smtp-ingress", rspamd_url=f"http://127.0.0.1:{free_port()}") as r:
        assert transaction(foreign(r), OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 250
        assert r.logged("smtp.rspamd_failed")
        judged = r.metric('postbus_pool_wait_seconds_count{pool="judge"}')
        assert submit(r, user, user)[0][-1] == 250
        assert r.metric('postbus_pool_wait_seconds_count{pool="judge"}') == judged
    fake.gate.clear()
    fake.says(status="held", action="no action")
    with running(product, "smtp-ingress", rspamd_url=fake.url, rspamd_seconds=1,
                 rspamd_direction="outgoing", rspamd_io_error_action="reject") as r:
        assert submit(r, user, user)[0][-1] == 451
        assert transaction(foreign(r), OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 250
    fake.gate.set()


@pytest.fixture
def rspamd(tmp_path):
    """Debian's, whose user can read nothing of ours: as root, with a folder of its own."""
    port = free_port()
    (tmp_path / "rspamd.conf").write_text(CONFIG.format(folder=tmp_path, port=port))
    log = open(tmp_path / "log", "wb")
    process = subprocess.Popen([shutil.which("rspamd"), "-f", "-i", "-c", tmp_path / "rspamd.conf"],
                               stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for("rspamd answers", lambda: urllib.request.urlopen(url + "/ping", timeout=5).read(), 60)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        log.close()


def test_the_real_one(product, rspamd):
    user = mail.new_account(product)
    spam = f"From: <{OUTSIDE}>\r\nSubject: x\r\nMessage-ID: <gtube@test>\r\n\r\n{GTUBE}\r\n"
    with running(product, "smtp-ingress", rspamd_url=rspamd, postmaster_account=user,
                 rspamd_io_error_action="reject", rspamd_error_resp_action="reject") as r:
        client = foreign(r)
        codes, said = transaction(client, OUTSIDE, ["postmaster"], spam)
        assert (codes[-1], said) == (550, "5.7.0 Gtube pattern")
        assert transaction(client, OUTSIDE, [user], mail.encrypted(OUTSIDE))[0][-1] == 250
        assert r.metric('postbus_smtp_refused_total{check="rspamd"}') == 1
    wait_for_messages(inbox(product, user), 1)
