"""Debian's Postfix hands mail on to us: by LMTP, where it is told about each recipient, and by SMTP
with the signature of Debian's OpenDKIM, which we verify.  And it takes mail from us, whose signature
OpenDKIM verifies."""
import contextlib
import email
import pwd
import shutil
import subprocess

import pytest

import mail
from beside import running
from fake_dns import name_server
from product import BUILD, Product, free_port, has_users, is_free, wait_for
from test_dkim import AUTHOR, DOMAIN, PASSED, Key
from test_dkim_signing import send, zone
from test_smtp_rules import OUTSIDE, inbox, wait_for_messages

pytestmark = pytest.mark.skipif(not has_users(),
                                reason="Postfix runs as several users")
THEIRS = "_elsewhere.example"
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
virtual unix - n n - - virtual
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
def opendkim(folder, *lines):
    """Its port."""
    port, config = free_port(), folder / "opendkim.conf"
    config.write_text("\n".join([f"Socket inet:{port}@127.0.0.1", "Syslog no", *lines, ""]))
    process = subprocess.Popen(["opendkim", "-f", "-x", str(config)])
    try:
        wait_for("OpenDKIM", lambda: not is_free(port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def signing(folder, key):
    (folder / "key.pem").write_bytes(key.private)
    (folder / "key.pem").chmod(0o600)
    return opendkim(folder, "Mode s", f"Domain {DOMAIN}", "Selector rsa", f"KeyFile {folder}/key.pem",
                    "RequireSafeKeys no", "Canonicalization relaxed/simple", "InternalHosts 127.0.0.1")


def test_what_opendkim_signs_is_verified(product, tmp_path):
    user = mail.new_account(product)
    key = Key(tmp_path, "rsa", "-pkeyopt", "rsa_keygen_bits:2048")
    with name_server(txt={f"rsa._domainkey.{DOMAIN}": key.record}) as names, \
            running(product, "smtp-ingress", dns_resolver=names.address,
                    dns_trust_anchor_file="none") as r, signing(tmp_path, key) as milter:
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


@contextlib.contextmanager
def verifying(folder, names):
    """A Postfix that takes mail of every host into a maildir, and says in it what OpenDKIM found."""
    (folder / "boxes").mkdir()
    shutil.chown(folder / "boxes", "nobody")
    nobody = pwd.getpwnam("nobody")
    subprocess.run([BUILD / "postbusctl", "cert", "--domain", "mx.test", "--address", "127.0.0.1",
                    "--certificate", folder / "crt", "--key", folder / "key"], check=True)
    with opendkim(folder, "Mode v", "AuthservID them", "InternalHosts 192.0.2.9",
                  f"Nameservers {names.address.replace(':', '@')}") as milter, Postfix(
            folder / "postfix", THEIRS, "virtual",
            f"smtpd_milters = inet:127.0.0.1:{milter}\nsmtpd_tls_security_level = encrypt\n"
            f"smtpd_tls_cert_file = {folder}/crt\nsmtpd_tls_key_file = {folder}/key\n"
            f"virtual_mailbox_base = {folder}/boxes\nvirtual_mailbox_maps = static:box/\n"
            f"virtual_uid_maps = static:{nobody.pw_uid}\n"
            f"virtual_gid_maps = static:{nobody.pw_gid}\n") as postfix:
        yield postfix


def delivered(folder, message_id):
    """By such a Postfix."""
    def find():
        texts = (f.read_bytes() for f in (folder / "boxes/box/new").glob("*"))
        return [text for text in texts if message_id.encode() in text]
    text, = wait_for(message_id, find)
    return text


def result(text):
    return " ".join(email.message_from_bytes(text)["Authentication-Results"].split())


def test_opendkim_verifies_what_we_sign(tmp_path):
    # A resolver knows by itself that there is nothing below localhost and test.
    with name_server() as names, verifying(tmp_path, names) as postfix, Product(
            domain="_postfix.example", options={"routes": f"{THEIRS}=127.0.0.1:{postfix.port}"}) as product:
        names.txt.update(wait_for("a key", lambda: zone(product)))
        user, recipient = mail.new_account(product), f"someone@{THEIRS}"
        send(product, user, [recipient], "good@test", extra="X-Odd:  a\r\n\t b\r\n")
        good = delivered(tmp_path, "good@test")
        assert result(good).startswith("them; dkim=pass (2048-bit key")
        assert " header.d=_postfix.example " in result(good)
        bad = good[good.index(b"DKIM-Signature:"):].replace(b"good@test", b"bad@test")
        with mail.smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
            client.starttls(context=mail.tls())
            client.sendmail(user, [recipient], bad)
        assert result(delivered(tmp_path, "bad@test")).startswith("them; dkim=fail ")
