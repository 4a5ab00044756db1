"""Debian's Postfix hands mail on to us: by LMTP, where it is told about each recipient, and by SMTP
with the signature of Debian's OpenDKIM, which we verify."""
import contextlib
import os
import shutil
import subprocess

import pytest

import mail
from beside import running
from fake_dns import name_server
from product import free_port, is_free, wait_for
from test_dkim import AUTHOR, DOMAIN, PASSED, Key
from test_smtp_rules import OUTSIDE, inbox, wait_for_messages

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not shutil.which("postconf"),
                                reason="Postfix starts as root only")
MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = mx._elsewhere.example
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
local_recipient_maps =
relay_domains = {domain}
relay_transport = {transport}
notify_classes =
"""
MASTER = """{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Used by `with`; its processes and its folder are gone afterwards."""

    def __init__(self, folder, domain, transport, more=""):
        self.folder, self.port = folder, free_port()
        self.config = folder / "config"
        for name in ("config", "queue", "data"):
            (folder / name).mkdir(parents=True)
        # Its processes are not root, and the folders of pytest are root's alone.
        for parent in [folder, *folder.parents][:-2]:
            parent.chmod(parent.stat().st_mode | 0o055)
        shutil.chown(folder / "data", "postfix")
        (self.config / "main.cf").write_text(
            MAIN.format(folder=folder, domain=domain, transport=transport) + more)
        (self.config / "master.cf").write_text(MASTER.format(port=self.port))

    def __enter__(self):
        subprocess.run(["postfix", "-c", self.config, "check"], check=True, capture_output=True)
        programs = subprocess.run(["postconf", "-c", self.config, "-h", "daemon_directory"],
                                  check=True, text=True, capture_output=True).stdout.strip()
        self.master = subprocess.Popen([f"{programs}/master", "-c", str(self.config), "-d"],
                                       stdin=subprocess.DEVNULL)
        wait_for("Postfix", lambda: mail.smtplib.SMTP("127.0.0.1", self.port).quit())
        return self

    def __exit__(self, *_):
        self.master.terminate()
        self.master.wait(30)

    def log(self):
        return (self.folder / "postfix.log").read_text()


@pytest.mark.parametrize("way", ["inet", "unix"])
def test_it_is_told_about_each_recipient(product, tmp_path, way):
    users = [mail.new_account(product), mail.new_account(product)]
    nobody = f"nobody@{product.domain}"
    with running(product, "smtp-ingress", lmtp_socket=tmp_path / "lmtp") as r:
        to = (f"lmtp:unix:{tmp_path}/lmtp" if way == "unix"
              else f"lmtp:inet:127.0.0.1:{r.port(2424)}")
        with Postfix(tmp_path / "postfix", product.domain, to) as postfix:
            with mail.smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
                client.sendmail(OUTSIDE, [*users, nobody], mail.encrypted(OUTSIDE))
            for user in users:
                wait_for_messages(inbox(product, user), 1)
            wait_for("its log", lambda: postfix.log().count("status=sent (250 2.0.0 Ok: queued") == 2)
            wait_for("its log", lambda: f"to=<{nobody}>" in postfix.log()
                     and "status=bounced (host" in postfix.log() and "550 5.1.1" in postfix.log())


@contextlib.contextmanager
def opendkim(folder, key):
    """Signs what it is shown; its port."""
    (folder / "key.pem").write_bytes(key.private)
    (folder / "key.pem").chmod(0o600)
    port = free_port()
    (folder / "opendkim.conf").write_text(
        f"Domain {DOMAIN}\nKeyFile {folder}/key.pem\nSelector rsa\nSocket inet:{port}@127.0.0.1\n"
        "Mode s\nCanonicalization relaxed/simple\nInternalHosts 127.0.0.1\nRequireSafeKeys no\n"
        "Syslog no\n")
    process = subprocess.Popen(["opendkim", "-f", "-x", str(folder / "opendkim.conf")])
    try:
        wait_for("OpenDKIM", lambda: not is_free(port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def test_what_opendkim_signs_is_verified(product, tmp_path):
    user = mail.new_account(product)
    key = Key(tmp_path, "rsa", "-pkeyopt", "rsa_keygen_bits:2048")
    with name_server(txt={f"rsa._domainkey.{DOMAIN}": key.record}) as names, \
            running(product, "smtp-ingress", dns_resolver=names.address,
                    dns_trust_anchor_file="none") as r, opendkim(tmp_path, key) as milter:
        to = f"smtp:[127.0.0.1]:{r.port(2525)}"
        with Postfix(tmp_path / "postfix", product.domain, to,
                     "smtp_tls_security_level = encrypt\n"
                     f"smtpd_milters = inet:127.0.0.1:{milter}\n") as postfix:
            with mail.smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
                client.sendmail(AUTHOR, [user], mail.encrypted(AUTHOR, extra="X-Odd:  a\r\n\t b\r\n"))
            wait_for("its log", lambda: "status=" in postfix.log())
            assert "status=sent (250 2.0.0 Ok: queued" in postfix.log(), postfix.log()
        assert r.metric(PASSED) == 1
    wait_for_messages(inbox(product, user), 1)
