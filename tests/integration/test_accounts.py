"""Accounts that come into being under concurrency."""
import ctypes
import imaplib
import os
import smtplib
import socket
import subprocess
import threading

import pytest

import mail
from beside import running
from join import scan
from product import ROOT, Product, wait_for


def race(wide, user, passwords):
    """Log in at the same moment, over IMAP and SMTP, on two replicas of each."""
    results, gate = [None] * len(passwords), threading.Barrier(len(passwords))

    def attempt(i, password):
        how = mail.imap if i % 2 else mail.smtp
        gate.wait()
        try:
            how(wide, user, password, replica=i // 2 % 2)
            results[i] = True
        except (imaplib.IMAP4.error, smtplib.SMTPAuthenticationError):
            results[i] = False
    threads = [threading.Thread(target=attempt, args=x) for x in enumerate(passwords)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_ten_first_logins_with_the_same_password_all_succeed(wide):
    for _ in range(3):
        assert race(wide, mail.new_name(wide.domain), ["one-password"] * 10) == [True] * 10


def test_of_ten_first_logins_with_different_passwords_exactly_one_succeeds(wide):
    for _ in range(3):
        user = mail.new_name(wide.domain)
        results = race(wide, user, [f"password-number-{i}" for i in range(10)])
        assert results.count(True) == 1
        winner = f"password-number-{results.index(True)}"
        mail.imap(wide, user, winner).logout()


def test_a_changed_password_and_a_removed_account_count_at_the_next_login(wide):
    user, other = mail.new_account(wide), mail.new_account(wide)
    mail.imap(wide, user).logout()  # is in the cache now
    wide.sql(f"UPDATE account SET pwhash = (SELECT pwhash FROM account WHERE addr = '{other}')"
             f" || 'x' WHERE addr = '{user}'")
    with pytest.raises(imaplib.IMAP4.error):
        mail.imap(wide, user)
    client = mail.imap(wide, other)
    client.append("INBOX", None, None, mail.encrypted(other).encode())
    client.logout()
    wide.sql(f"DELETE FROM account WHERE addr = '{other}'")
    # The name is free again: whoever comes first has a new, empty account.
    client = mail.imap(wide, other, "somebody-else-now")
    assert client.select("INBOX")[1] == [b"0"]
    client.logout()
    with pytest.raises(imaplib.IMAP4.error):
        mail.imap(wide, other)


def test_hashes_of_other_servers_are_verified(product):
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    for setting in (b"$6$saltsaltsalt$", b"$2b$05$abcdefghijklmnopqrstuu"):
        user = mail.new_account(product)
        hashed = crypt(b"imported-password", setting).decode()
        product.sql(f"UPDATE account SET pwhash = '{hashed}' WHERE addr = '{user}'")
        mail.imap(product, user, "imported-password").logout()


def test_wrong_passwords_are_refused(wide):
    user = mail.new_account(wide)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        mail.imap(wide, user, "another-password")
    with pytest.raises(smtplib.SMTPAuthenticationError) as e:
        mail.smtp(wide, user, "another-password")
    assert e.value.smtp_code == 535
    with pytest.raises(imaplib.IMAP4.error):
        mail.imap(wide, mail.new_name(wide.domain), "short")
    with pytest.raises(imaplib.IMAP4.error):
        mail.imap(wide, "invalid@elsewhere.invalid")


def quota_kib(client):
    return int(client.getquotaroot("INBOX")[1][1][0].rstrip(b")").split()[-1])


def test_a_changed_mailbox_size_counts_for_who_is_there_already(tmp_path):
    def start(size):
        return Product(domain="_size.localhost", keep=tmp_path,
                       options={"max_mailbox_size": size, "max_user_send_burst_size": 100})

    with start("1M") as product:
        user, other = mail.new_account(product), mail.new_account(product)
        assert quota_kib(mail.imap(product, user)) == 1024
        product.sql("UPDATE mailbox SET own_quota = 2 * 1024 * 1024 WHERE id = "
                    f"(SELECT id << 18 FROM account WHERE addr = '{other}')")
    with start("3M") as product:
        client = mail.imap(product, user)
        assert quota_kib(client) == 3 * 1024
        assert quota_kib(mail.imap(product, other)) == 2 * 1024
        smtp = mail.smtp(product, user)
        for i in range(2):
            smtp.sendmail(user, [user], mail.encrypted(user, f"{i}@test", size=1_000_000))
        wait_for("both are there", lambda: client.select("INBOX")[1] == [b"2"])


def from_network(r, network, user, password):
    """One login through a proxy that names the client; the words of the answer."""
    imap = r.service == "imap-gateway"
    addresses = socket.inet_aton(f"198.51.100.{network}") + socket.inet_aton("192.0.2.80")
    with socket.create_connection(("127.0.0.1", r.port(2993 if imap else 2465)), 30) as raw:
        raw.sendall(b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + addresses + b"\x30\x39\x01\xd1")
        with mail.tls().wrap_socket(raw) as s, s.makefile("rb") as lines:
            lines.readline()
            if imap:
                s.sendall(f"a LOGIN {user} {password}\r\n".encode())
            else:
                s.sendall(b"EHLO a.example\r\n")
                while lines.readline()[3:4] == b"-":
                    pass
                s.sendall(f"AUTH PLAIN {mail.plain(user, password)}\r\n".encode())
            return lines.readline().decode()


@pytest.mark.parametrize("service, let_in, wrong, later", [
    ("imap-gateway", "a OK", "a NO [AUTHENTICATIONFAILED]", "a NO [UNAVAILABLE]"),
    ("smtp-ingress", "235 ", "535 5.7.8 ", "454 4.7.0 "),
])
def test_a_network_fails_and_makes_accounts_so_often(product, service, let_in, wrong, later):
    user = mail.new_account(product)
    with running(product, service, proxy_protocol="true", trusted_proxies="127.0.0.0/8",
                 failed_logins_per_minute=3, new_accounts_per_minute=1, new_accounts_burst=2,
                 login_failure_delay_ms=0) as r:
        def login(network, name=user, password=mail.PASSWORD):
            return from_network(r, network, name, password)

        assert login(1).startswith(let_in)
        for expected in [wrong] * 3 + [later] * 2:
            assert login(1, password="something-else").startswith(expected)
        assert login(1).startswith(let_in)  # is remembered
        assert login(2, password="something-else").startswith(wrong)
        for expected in [let_in] * 2 + [later]:
            assert login(3, mail.new_name(r.domain)).startswith(expected)
        assert login(4, mail.new_name(r.domain)).startswith(let_in)


def test_private_addresses_make_so_many_accounts_on_the_whole_server():
    """Whoever forgets to name a proxy has at least this limit."""
    with Product(replicas={"imap-gateway": 2}, options={"new_private_accounts_per_hour": 4}) as product:
        names = [mail.new_name(product.domain) for _ in range(5)]
        for name, replica in zip(names, (0, 1, 0, 1)):
            mail.imap(product, name, replica=replica)
        for replica in (0, 1):
            with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE.*try again later"):
                mail.imap(product, names[4], replica=replica)
        with pytest.raises(smtplib.SMTPAuthenticationError, match="454"):
            mail.smtp(product, names[4])
        mail.imap(product, names[0], replica=1)
        mail.smtp(product, names[1])


CLOSED = "This server takes no new profiles"


@pytest.mark.parametrize("service, let_in, wrong, closed, later", [
    ("imap-gateway", "a OK", "a NO [AUTHENTICATIONFAILED]", f"a NO [NOPERM] {CLOSED}.",
     "a NO [UNAVAILABLE]"),
    ("smtp-ingress", "235 ", "535 5.7.8 ", f"535 5.7.1 {CLOSED}", "454 4.7.0 "),
])
def test_closed_registration_is_told_to_who_has_no_account(
        product, service, let_in, wrong, closed, later):
    """And to nobody more often than passwords may be guessed."""
    user = mail.new_account(product)
    with running(product, service, registration_open="false", proxy_protocol="true",
                 trusted_proxies="127.0.0.0/8", failed_logins_per_minute=3,
                 login_failure_delay_ms=0) as r:
        assert from_network(r, 1, user, mail.PASSWORD).startswith(let_in)
        assert from_network(r, 1, user, "something-else").startswith(wrong)
        for expected in [closed] * 2 + [later] * 2:
            answer = from_network(r, 1, mail.new_name(r.domain), mail.PASSWORD)
            assert answer.startswith(expected)
        elsewhere = from_network(r, 2, mail.new_name("elsewhere.example"), mail.PASSWORD)
        assert elsewhere.startswith(wrong)


def test_the_app_shows_that_registration_is_closed(product, tmp_path):
    """The real client, which tries both protocols, with a code from before it was closed."""
    code = scan(f"https://127.0.0.1:{product.port(8443)}", tmp_path)
    with running(product, "imap-gateway", registration_open="false") as imap, \
            running(product, "smtp-ingress", registration_open="false") as smtp:
        code = code.replace(f"ip={product.port(2993)}", f"ip={imap.port(2993)}")
        code = code.replace(f"sp={product.port(2465)}", f"sp={smtp.port(2465)}")
        says = subprocess.run(["node", ROOT / "tests/integration/deltachat/refused.mjs"],
                              env={**os.environ, "CLIENT_CODE": code}, check=True,
                              capture_output=True, text=True, timeout=300).stdout
    assert CLOSED in says and "uthentication failed" not in says, says
