"""Two instances of the product in networks of their own exchange mail through MX records."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

from product import BUILD, ROOT, wait_for

HERE = pathlib.Path(__file__).parent
# Address space for documentation: what the instances call each other in their own network.
INSTANCES = {"a": ("192.0.2.1", "_a.test"), "b": ("192.0.2.2", "_b.test")}

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
        self.folder, self.holders, self.resolver = folder, {}, None

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
        zone = pathlib.Path(self.folder) / "unbound.conf"
        lines = []
        for address, domain in INSTANCES.values():
            lines.append(f'  local-data: "{domain}. MX 10 _mx.{domain[1:]}."')
            lines.append(f'  local-data: "_mx.{domain[1:]}. A {address}"')
        lines.append('  local-data: "null.test. MX 0 ."')
        zone.write_text(ZONE + "\n".join(lines) + "\n")
        self.resolver = subprocess.Popen([*self.prefix("r"), "unbound", "-d", "-c", str(zone)])

    def stop(self):
        for process in [self.resolver, *self.holders.values()]:
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

    def logs(self):
        return "\n".join(f.read_text()[-2000:] for f in sorted((self.run / "log").glob("*.log")))

    def act(self, *words, text=""):
        """Mail actions from within the instance's network; see remote_actor.py."""
        done = self.network.inside(self.name, "python3", str(HERE / "remote_actor.py"),
                                   self.domain, *words, input=text, text=True,
                                   capture_output=True)
        return done.stdout.strip()


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


def test_domains_that_take_no_mail_bounce_at_once(two):
    a, _ = two
    alice = a.act("new")
    a.act("send", alice, "someone@null.test", "null@test")
    assert "5.1.10" in wait_for_mail(a, alice, "someone@null.test")
    a.act("send", alice, "someone@missing.test", "missing@test")
    wait_for_mail(a, alice, "someone@missing.test")


def test_a_dead_peer_gets_its_mail_when_it_is_back(two):
    a, b = two
    alice, bob = a.act("new"), b.act("new")
    b.stop()
    a.act("send", alice, bob, "while-away@test")
    wait_for("a deferred row", lambda: "remote.deferred" in a.logs(), 60)
    b.start()
    wait_for_mail(b, bob, "while-away@test", 90)
