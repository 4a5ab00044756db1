"""Options of accounts and logins change what they say they change: one process beside the
product's for each."""
import contextlib
import http.client
import json
import pathlib
import re
import socket
import subprocess

import pytest

import mail
from beside import running


@pytest.mark.parametrize("service, options", [
    ("smtp-ingress", {"registration_open": "false"}),
    ("imap-gateway", {"registration_open": "false"}),
    ("smtp-ingress", {"nocreate_file": __file__}),
    ("imap-gateway", {"nocreate_file": __file__}),
    ("imap-gateway", {"max_load_1m": "0.000001"}),
    ("smtp-ingress", {"min_available_memory": "1T"}),
    ("imap-gateway", {"min_free_disk_space": "1024T"}),
])
def test_no_account_at_first_login(product, service, options):
    known = mail.new_account(product)
    with running(product, service, login_failure_delay_ms=0, **options) as r:
        assert not mail.may_begin(r)
        assert mail.may_begin(r, known)  # whoever has one is let in


def test_disk_of_a_path(product, tmp_path):
    """disk_path says which disk min_free_disk_space is about."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        with running(product, "imap-gateway", min_free_disk_space="10M", disk_path=small,
                     login_failure_delay_ms=0) as r:
            assert not mail.may_begin(r)
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("service", ["imap-gateway", "smtp-ingress"])
def test_rules_for_names_and_passwords(product, service):
    with running(product, service, username_min_length=3, username_max_length=5,
                 password_min_length=12, login_failure_delay_ms=0) as r:
        def name(length):
            return mail.new_name(r.domain)[:length] + "@" + r.domain
        assert [mail.may_begin(r, name(n)) for n in (2, 3, 5, 6)] == [False, True, True, False]
        assert not mail.may_begin(r, name(4), "x" * 11)
        assert mail.may_begin(r, name(4), "x" * 12)


def test_new_names_have_the_longest_length(product):
    with running(product, "registrar", username_min_length=4, username_max_length=7,
                 public_imap_port=1143, public_submission_port=1587) as r:
        made = json.loads(ask(r, "POST", "/new"))
        assert re.fullmatch(r"[a-z0-9]{7}", made["email"].split("@")[0])
        xml = ask(r, "GET", "/.well-known/autoconfig/mail/config-v1.1.xml").decode()
        assert "<port>1143</port>" in xml and "<port>1587</port>" in xml


def ask(r, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", r.port(8080), timeout=30)
    connection.request(method, path)
    body = connection.getresponse().read()
    connection.close()
    return body


def test_cost_of_hashes(product):
    prefixes = []
    for cost in (3, 5):
        with running(product, "imap-gateway", password_hash_cost=cost) as r:
            user = mail.new_name(r.domain)
            mail.imap(r, user).logout()
            prefixes.append(product.sql("SELECT substr(pwhash, 1, 7) FROM account "
                                        f"WHERE addr = '{user}'"))
    assert prefixes[0] != prefixes[1] and all(p.startswith("$y$j") for p in prefixes)


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")")[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_logins_that_are_remembered_cost_no_hash(product):
    user, used = mail.new_name(product.domain), {}
    with running(product, "smtp-ingress", password_hash_cost=6) as r:
        mail.smtp(r, user).quit()
    for entries in (0, 100):
        with running(product, "smtp-ingress", login_cache_entries=entries) as r:
            mail.smtp(r, user).quit()
            before = cpu_seconds(r.process)
            for _ in range(15):
                mail.smtp(r, user).quit()
            used[entries] = cpu_seconds(r.process) - before
    # At this cost a hash is about forty milliseconds of work, a handshake one or two.
    assert used[0] - used[100] > 0.2, used


def test_failed_logins_wait_and_hold_no_thread(product):
    """With one thread for passwords and twenty failures that wait, a good login passes."""
    user = mail.new_account(product)
    for service, port in (("imap-gateway", 2993), ("smtp-ingress", 2465)):
        with running(product, service, login_failure_delay_ms=60000, login_threads=1,
                     worker_threads=1) as r, contextlib.ExitStack() as stack:
            waiting = []
            for _ in range(20):
                raw = socket.create_connection(("127.0.0.1", r.port(port)), 30)
                s = stack.enter_context(mail.tls().wrap_socket(raw))
                s.recv(4096)
                if service == "imap-gateway":
                    s.sendall(f'a LOGIN "{user}" "not-the-password"\r\n'.encode())
                else:
                    s.sendall(b"HELO a.example\r\n")
                    s.recv(4096)
                    s.sendall(f"AUTH PLAIN {mail.plain(user, 'not-this')}\r\n".encode())
                waiting.append(s)
            assert mail.may_begin(r, user)
            for s in waiting:
                s.setblocking(False)
                with pytest.raises(mail.ssl.SSLWantReadError):
                    s.recv(4096)
