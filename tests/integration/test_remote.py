"""Two instances of the product in networks of their own exchange mail through MX records."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

from product import BUILD, ROOT, Product, wait_for

HERE = pathlib.Path(__file__).parent
# Address space for documentation: what the instances call each other in their own network.
INSTANCES = {"a": ("192.0.2.1", "_a.test"), "b": ("192.0.2.2", "_b.test")}

# Foreign hosts: each domain's MX is mx.<domain>.
FOREIGN = {"trusted.test": "192.0.2.11", "selfsigned.test": "192.0.2.12",
           "othername.test": "192.0.2.13", "plain.test": "192.0.2.14",
           "lenient.test": "192.0.2.16"}
# Not in the DNS at all; a route leads there.
ROUTED, ROUTED_TO = "routed.test", ("192.0.2.15", 2626)

ZONE = """server:
  interface: 192.0.2.3
  access-control: 192.0.2.0/24 allow
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 0
  local-zone: "test." static
"""


class Network:
    """A namespace for each instance and one for the resolver, on a common bridge."""

    def __init__(self, folder):
        self.folder, self.holders = pathlib.Path(folder), {}
        self.resolver = self.foreign = None

    def add(self, name, address):
        holder = subprocess.Popen(["unshare", "--net", "--mount", "sleep", "3600"])
        self.holders[name] = holder
        wait_for("the namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net")
                 != os.readlink("/proc/self/ns/net"))
        run = subprocess.check_call
        run(["ip", "link", "add", f"ve{name}", "type", "veth", "peer", "name", f"vi{name}"])
        run(["ip", "link", "set", f"vi{name}", "netns", str(holder.pid)])
        run(["ip", "link", "set", f"ve{name}", "master", "postbus0", "up"])
        self.inside(name, "ip", "link", "set", "lo", "up")
        self.inside(name, "ip", "addr", "add", f"{address}/24", "dev", f"vi{name}")
        self.inside(name, "ip", "link", "set", f"vi{name}", "up")

    def prefix(self, name):
        return ["nsenter", "--target", str(self.holders[name].pid), "--net", "--mount"]

    def inside(self, name, *command, **how):
        return subprocess.run([*self.prefix(name), *command], check=True, **how)

    def start(self):
        subprocess.check_call(["ip", "link", "add", "postbus0", "type", "bridge"])
        subprocess.check_call(["ip", "link", "set", "postbus0", "up"])
        for name, (address, _) in INSTANCES.items():
            self.add(name, address)
        self.add("r", "192.0.2.3")
        zone = self.folder / "unbound.conf"
        lines = []
        for address, domain in INSTANCES.values():
            lines.append(f'  local-data: "{domain}. MX 10 _mx.{domain[1:]}."')
            lines.append(f'  local-data: "_mx.{domain[1:]}. A {address}"')
        for domain, address in FOREIGN.items():
            lines.append(f'  local-data: "{domain}. MX 10 mx.{domain}."')
            lines.append(f'  local-data: "mx.{domain}. A {address}"')
        lines.append('  local-data: "null.test. MX 0 ."')
        lines.append('  local-data: "noaddress.test. MX 10 mx.noaddress.test."')
        lines.append('  local-data: "nothing.test. TXT hello"')
        zone.write_text(ZONE + "\n".join(lines) + "\n")
        self.resolver = subprocess.Popen([*self.prefix("r"), "unbound", "-d", "-c", str(zone)])

        self.start_foreign_hosts()

    def certificate(self, name, host, *issuer):
        """NAME.pem: key and certificate for a host; signed by itself without an issuer."""
        key, cert = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        f"/CN={name}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", key,
                        "-out", cert, *issuer], check=True, capture_output=True)
        (self.folder / f"{name}.pem").write_text(key.read_text() + cert.read_text())

    def start_foreign_hosts(self):
        self.certificate("authority", "authority.test")
        self.by_authority = ("-CA", self.folder / "authority.crt",
                             "-CAkey", self.folder / "authority.key")
        self.certificate("trusted.test", "mx.trusted.test", *self.by_authority)
        self.certificate("selfsigned.test", "mx.selfsigned.test")
        self.certificate("othername.test", "mx.elsewhere.test", *self.by_authority)
        self.certificate("lenient.test", "mx.lenient.test")
        self.certificate(ROUTED, "mx.elsewhere.test")
        hosts = {**{d: (a, 2525) for d, a in FOREIGN.items()}, ROUTED: ROUTED_TO}
        for address, _ in hosts.values():
            self.inside("r", "ip", "addr", "add", f"{address}/24", "dev", "vir")
        self.foreign = subprocess.Popen(
            [*self.prefix("r"), "python3", str(HERE / "fake_mx.py"), str(self.folder),
             *(f"{name}={address}:{port}" for name, (address, port) in hosts.items())],
            stdout=subprocess.PIPE, text=True)
        assert self.foreign.stdout.readline() == "ready\n"

    def journal(self, domain):
        """What a foreign host was told."""
        file = self.folder / f"{domain}.journal"
        return file.read_text() if file.exists() else ""

    def stop(self):
        for process in [self.foreign, self.resolver, *self.holders.values()]:
            if process:
                process.kill()
                process.wait()
        subprocess.run(["ip", "link", "del", "postbus0"], check=False)


class Instance:
    def __init__(self, network, name, folder):
        self.network, self.name = network, name
        self.address, self.domain = INSTANCES[name]
        self.run = pathlib.Path(folder) / name
        options = {"listen_address": "0.0.0.0", "dns_resolver": "192.0.2.3:53",
                   "dns_trust_anchor_file": "none",
                   "tls_ca_file": network.folder / "authority.crt",
                   "routes": f"{ROUTED}={ROUTED_TO[0]}:{ROUTED_TO[1]}",
                   "smtp_outbound_port": 2525, "allow_private_destinations": "true",
                   "retry_min_seconds": 2, "public_host": self.address, "disable_ipv6": "true"}
        self.command = [*network.prefix(name), "python3", str(ROOT / "deploy/local/run.py"),
                        "--build", str(BUILD), "--run", str(self.run), "--domain", self.domain,
                        *(x for k, v in options.items() for x in ("--set", f"{k}={v}"))]

    def start(self):
        self.log = open(f"{self.run}.out", "w+")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        wait_for("postbus ready", lambda: "postbus ready" in
                 pathlib.Path(f"{self.run}.out").read_text(), 120)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(90)
        self.log.close()

    sql = Product.sql

    def waiting(self, domain):
        """(attempts, last error) of what is queued for a domain."""
        row = self.sql("SELECT attempts || ' ' || last_error FROM queue_remote "
                       f"WHERE domain = '{domain}'")
        attempts, _, error = row.partition(" ")
        return int(attempts or 0), error

    def logs(self):
        return "\n".join(f.read_text()[-2000:] for f in sorted((self.run / "log").glob("*.log")))

    def act(self, *words, text=""):
        """Mail actions from within the instance's network; see remote_actor.py."""
        done = self.network.inside(self.name, "python3", str(HERE / "remote_actor.py"),
                                   self.domain, *words, input=text, text=True,
                                   capture_output=True)
        return done.stdout.strip()


def wait_for_foreign(instance, domain, text, seconds=60):
    until = time.monotonic() + seconds
    while text not in (journal := instance.network.journal(domain)):
        assert time.monotonic() < until, (f"{domain} has no {text}: {journal}\n"
                                          f"{instance.waiting(domain)}\n{instance.logs()}")
        time.sleep(0.05)


@pytest.fixture(scope="module")
def two():
    with tempfile.TemporaryDirectory(prefix="postbus-remote-") as folder:
        network = Network(folder)
        instances = []
        try:
            network.start()
            for name in INSTANCES:
                instance = Instance(network, name, folder)
                instance.start()
                instances.append(instance)
            yield instances
        finally:
            for instance in instances:
                instance.stop()
            network.stop()


def wait_for_mail(instance, user, wanted, seconds=60):
    until = time.monotonic() + seconds
    while wanted not in (text := instance.act("read", user)):
        assert time.monotonic() < until, f"{user} has no {wanted}: {text}\n{instance.logs()}"
    return text


def test_mail_both_ways(two):
    a, b = two
    alice, bob = a.act("new"), b.act("new")
    a.act("send", alice, bob, "to-bob@test")
    assert "BEGIN PGP MESSAGE" in wait_for_mail(b, bob, "to-bob@test")
    b.act("send", bob, alice, "to-alice@test")
    wait_for_mail(a, alice, "to-alice@test")


def test_an_unknown_recipient_elsewhere_bounces(two):
    a, b = two
    alice = a.act("new")
    a.act("send", alice, f"nobodyxyz@{b.domain}", "lost@test")
    text = wait_for_mail(a, alice, "Undelivered Mail Returned to Sender")
    assert "5.1.1" in text and f"nobodyxyz@{b.domain}" in text
    assert f"Reporting-MTA: dns; [{a.address}]" in text
    assert text.count("Return-Path:") == 1


def test_domains_that_take_no_mail_bounce_at_once(two):
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, "someone@null.test", "null@test")
    assert "5.1.10" in wait_for_mail(a, alice, "someone@null.test")
    a.act("send", alice, "someone@missing.test", "missing@test")
    wait_for_mail(a, alice, "someone@missing.test")
    # Hosts without an address, and a domain that is none of a host.
    for domain in ("noaddress.test", "nothing.test"):
        a.act("send", alice, f"someone@{domain}", f"{domain}@test")
        assert "5.4.4" in wait_for_mail(a, alice, f"someone@{domain}")


def test_a_host_with_a_trusted_certificate_gets_mail_over_tls(two):
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, "bob@trusted.test", "trusted@test")
    wait_for_foreign(a, "trusted.test", "<trusted@test>")
    journal = a.network.journal("trusted.test").splitlines()
    assert f"tls MAIL FROM:<{alice}>" in [line.split(" SIZE=")[0] for line in journal]
    assert [line.split()[0] for line in journal[:2]] == ["EHLO", "STARTTLS"]
    assert all(line.startswith("tls ") for line in journal[2:])


@pytest.mark.parametrize("local", ["\"a,b@c\"", "odd%b.test!c", "\"it\\\"s\""])
def test_a_host_is_given_an_odd_address_as_it_was_written(two, local):
    a, _ = two
    alice = a.act("new")
    message = f"odd{local.encode().hex()}@test"
    a.act("send", alice, f"{local}@trusted.test", message)
    wait_for_foreign(a, "trusted.test", f"<{message}>")
    journal = a.network.journal("trusted.test").splitlines()
    assert f"tls RCPT TO:<{local}@trusted.test>" in journal


@pytest.mark.parametrize("domain, reason", [
    ("selfsigned.test", "self-signed"), ("othername.test", "hostname mismatch"),
    ("plain.test", "STARTTLS is not offered")])
def test_a_host_that_cannot_prove_its_name_never_sees_an_envelope(two, domain, reason):
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, f"bob@{domain}", "secret@test")
    wait_for("two attempts", lambda: a.waiting(domain)[0] >= 2 and a.waiting(domain)[1], 60)
    _, error = a.waiting(domain)
    assert reason.lower() in error.lower() and f"mx.{domain}" in error, error
    journal = a.network.journal(domain)
    assert "EHLO" in journal and "MAIL" not in journal and alice not in journal, journal
    # It was kept: with the right certificate it goes.
    a.network.certificate(domain, f"mx.{domain}", *a.network.by_authority)
    wait_for_foreign(a, domain, "<secret@test>")
    wait_for("an empty queue", lambda: a.waiting(domain)[0] == 0)
    clear = [x for x in a.network.journal(domain).splitlines() if not x.startswith("tls ")]
    assert not [x for x in clear if x.startswith(("MAIL", "RCPT", "DATA"))], clear


def test_what_requires_tls_goes_to_hosts_that_promise_it(two):
    """RFC 8689: others are never told of it, and its sender is, without the body."""
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, "bob@trusted.test", "unpromised@test", "REQUIRETLS")
    report = wait_for_mail(a, alice, "Status: 5.7.30")
    assert "<unpromised@test>" in report and "BEGIN PGP MESSAGE" not in report
    assert "<unpromised@test>" not in a.network.journal("trusted.test")
    (a.network.folder / "trusted.test.requiretls").touch()
    a.act("send", alice, "bob@trusted.test", "promised@test", "REQUIRETLS")
    wait_for_foreign(a, "trusted.test", "<promised@test>")
    said = [x for x in a.network.journal("trusted.test").splitlines() if x.startswith("tls MAIL")]
    assert said[-1].startswith(f"tls MAIL FROM:<{alice}>") and " REQUIRETLS" in said[-1]
    a.act("send", alice, "bob@trusted.test", "ordinary@test")
    wait_for_foreign(a, "trusted.test", "<ordinary@test>")
    said = [x for x in a.network.journal("trusted.test").splitlines() if x.startswith("tls MAIL")]
    assert " REQUIRETLS" not in said[-1]


def test_what_requires_no_certificate_goes_by_any(two):
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, "bob@lenient.test", "strict@test")
    wait_for("the reason", lambda: "self-signed" in a.waiting("lenient.test")[1].lower(), 60)
    a.act("send", alice, "carol@lenient.test", "lenient@test", "TLS-Required: No")
    wait_for_foreign(a, "lenient.test", "<lenient@test>")
    journal = a.network.journal("lenient.test")
    assert "<strict@test>" not in journal
    assert not [x for x in journal.splitlines() if x.startswith(("MAIL", "RCPT", "DATA"))], journal


def test_letters_beyond_ascii_in_a_header_are_no_reason_to_return_it(two):
    """The host lacks SMTPUTF8, and the client did not ask for it."""
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, f"bob@{ROUTED}", "eightbit@test", "X-Name: M\u00fcller")
    wait_for_foreign(a, ROUTED, "<eightbit@test>")
    assert "X-Name: M\u00fcller" in a.network.journal(ROUTED)


def test_a_route_goes_before_the_dns(two):
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, f"bob@{ROUTED}", "routed@test")
    wait_for_foreign(a, ROUTED, "<routed@test>")


def test_answers_that_the_trust_anchor_contradicts_are_not_believed(two):
    """The zone has no signatures.  By an anchor that demands them nobody is looked up; the
    instance's own sender, which has none, takes over where that one stops."""
    a, _ = two
    anchor = a.run / "anchor"
    anchor.write_text("test. IN DNSKEY 257 3 15 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n")
    own = int((a.run / "remote-sender.pid").read_text())
    words = pathlib.Path(f"/proc/{own}/environ").read_bytes().split(b"\0")
    environment = {k.decode(): v.decode() for k, v in (w.split(b"=", 1) for w in words if w)}
    for name, value in {"dns_trust_anchor_file": anchor, "admin_port": 9990,
                        "bus_work_port": 9991}.items():
        environment[f"POSTBUS_{name.upper()}"] = str(value)
    os.kill(own, signal.SIGSTOP)
    with open(a.run / "log" / "remote-sender-validating.log", "w") as log:
        process = subprocess.Popen([*a.network.prefix("a"), BUILD / "remote-sender"],
                                   env=environment, stdout=log, stderr=log)
    try:
        alice = a.act("new")
        a.act("send", alice, "bob@trusted.test", "validated@test")
        wait_for("the reason", lambda: "bogus signatures" in a.waiting("trusted.test")[1], 60)
        assert "<validated@test>" not in a.network.journal("trusted.test")
    finally:
        process.terminate()
        process.wait(60)
        os.kill(own, signal.SIGCONT)
    wait_for_foreign(a, "trusted.test", "<validated@test>")


def test_a_dead_peer_gets_its_mail_when_it_is_back(two):
    a, b = two
    alice, bob = a.act("new"), b.act("new")
    b.stop()
    a.act("send", alice, bob, "while-away@test")
    wait_for("a deferred row", lambda: "remote.deferred" in a.logs(), 60)
    b.start()
    wait_for_mail(b, bob, "while-away@test", 90)
