"""Accounts that come into being under concurrency."""
import ctypes
import imaplib
import smtplib
import threading

import pytest

import mail
from product import Product, wait_for


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
