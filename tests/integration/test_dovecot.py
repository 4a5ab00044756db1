"""Debian's Dovecot passes mail on to us: its own LMTP client, behind its LMTP server."""
import smtplib
import subprocess

import pytest

import mail
from product import free_port, has_users, wait_for
from test_smtp_rules import OUTSIDE, inbox, wait_for_messages

pytestmark = pytest.mark.skipif(not has_users(),
                                reason="Dovecot runs as several users")
CONFIG = """base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
lmtp_proxy = yes
auth_username_chars =
passdb {{
  driver = static
  args = proxy=y nopassword=y host=127.0.0.1 port={ours} protocol=lmtp
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
"""


def test_it_is_told_about_each_recipient(product, tmp_path):
    users, nobody = [mail.new_account(product), mail.new_account(product)], f"nobody@{product.domain}"
    port = free_port()
    for parent in [tmp_path, *tmp_path.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    config = tmp_path / "dovecot.conf"
    config.write_text(CONFIG.format(folder=tmp_path, port=port, ours=product.port(2424)))
    dovecot = subprocess.Popen(["dovecot", "-F", "-c", str(config)])
    try:
        wait_for("Dovecot", lambda: smtplib.LMTP("127.0.0.1", port).quit())
        with smtplib.LMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            assert client.mail(OUTSIDE)[0] == 250
            answers = [client.rcpt(r) for r in (*users, nobody)]
            taken = sum(code == 250 for code, _ in answers)
            client.putcmd("data")
            assert client.getreply()[0] == 354
            client.send(mail.encrypted(OUTSIDE).encode() + b".\r\n")
            said = answers[taken:] + [client.getreply() for _ in range(taken)]
        assert sorted(code for code, _ in answers[:2]) == [250, 250]
        assert sorted(code for code, _ in said) == [250, 250, 550], (answers, said)
        assert any(b"5.1.1" in text for code, text in said if code == 550)
    finally:
        dovecot.terminate()
        dovecot.wait(30)
    for user in users:
        wait_for_messages(inbox(product, user), 1)
