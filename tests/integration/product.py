"""A running Postbus for tests: all six services and a private PostgreSQL, on loopback."""
import itertools
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

# What somebody set for a server of theirs is nothing to these.
for _name in [n for n in os.environ if re.match("POSTBUS_(?!TEST_)", n)]:
    del os.environ[_name]

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POSTBUS_TEST_BUILD", ROOT / "build" / "release"))
START_DEADLINE_S = 120
CRASH = re.compile(r"stopped \(signal SIG(ABRT|SEGV|BUS|ILL|FPE)\)")
# All below 32768: above it the kernel takes ports for connections (ip_local_port_range), and
# one of a test's own could sit where a service wants to listen.  A product with replicas and
# one 6000 above it would meet.
OFFSETS = range(10000, 15000, 1000)
FREE_PORTS = range(27000, 32000)
_offsets, _free_ports = itertools.cycle(OFFSETS), itertools.cycle(FREE_PORTS)
# There is no name server here, and nobody waits at each start whether one validates.
STANDARD = {"dns_trust_anchor_file": "none"}
ADMIN = {"smtp-ingress": 9090, "queue-worker": 9091, "remote-sender": 9092,
         "imap-gateway": 9093, "registrar": 9094, "janitor": 9095}


def wait_for(what, condition, seconds=30, every=0.02):
    """Ask until the answer is true; an exception counts as no."""
    until = time.monotonic() + seconds
    last = None
    while True:
        try:
            answer = condition()
            if answer:
                return answer
        except (OSError, AssertionError) as e:
            last = e
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}" + (f" ({last})" if last else ""))
        time.sleep(every)


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """Another one each time."""
    return next(port for port in _free_ports if is_free(port))


def has_users():
    """Whether a process here may become another user: root of a namespace may map itself alone."""
    users = sum(int(line.split()[2]) for line in pathlib.Path("/proc/self/uid_map").read_text().splitlines())
    return os.getuid() == 0 and users > 65535


def free_offset():
    """One where no product runs, the one longest ago first."""
    for _ in OFFSETS:
        if is_free(ADMIN["registrar"] + (offset := next(_offsets))):
            return offset
    raise SystemExit(f"{len(OFFSETS)} products run at once; give OFFSETS more of them")


class Product:
    """Started by `with Product(...) as p`; everything it made is gone afterwards."""

    def __init__(self, domain="_test.localhost", replicas=None, options=None, arguments=(),
                 environment=None, prefix=(), keep=None, wait=True):
        self.domain, self.offset = domain, free_offset()
        self.replicas = replicas or {}
        self.folder = None if keep else tempfile.TemporaryDirectory(prefix="postbus-test-")
        self.run = pathlib.Path(keep or self.folder.name) / "run"
        self.command = [
            *prefix, sys.executable, str(ROOT / "deploy/local/run.py"), "--build", str(BUILD),
            "--run", str(self.run), "--domain", domain, "--port-offset", str(self.offset),
            *(x for s, n in self.replicas.items() for x in ("--replicas", f"{s}={n}")),
            *(x for k, v in {**STANDARD, **(options or {})}.items() for x in ("--set", f"{k}={v}")),
            *arguments]
        self.environment = {**os.environ, **(environment or {})}
        self.wait = wait
        self.output, self.process = [], None

    def port(self, base, replica=0):
        return base + self.offset + 100 * replica

    def any_replica(self, service):
        return random.randrange(self.replicas.get(service, 1))

    def admin_port(self, service, replica=0):
        return ADMIN[service] + self.offset + 10 * replica

    def start(self):
        self.output = []
        self.process = subprocess.Popen(self.command, env=self.environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()
        if self.wait:
            wait_for("postbus ready", self._is_ready, START_DEADLINE_S)

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    def _is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit("the product did not start:\n" + "".join(self.output) + self.logs())
        return any(line.startswith("postbus ready") for line in self.output)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(90)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, traceback):
        self.stop()
        try:
            if kind is None:
                self.check_nothing_crashed()
            elif not issubclass(kind, KeyboardInterrupt):
                print(self.logs(), file=sys.stderr)
        finally:
            if self.folder:
                self.folder.cleanup()

    def check_nothing_crashed(self):
        """What is started again at once could crash unseen."""
        signs = [line for line in self.output if CRASH.search(line)]
        signs += [f"{f.name}: a sanitizer's report" for f in (self.run / "log").glob("*.log")
                  if "Sanitizer: " in f.read_text(errors="replace")]
        assert not signs, "\n".join([*signs, self.logs()])

    def logs(self, lines=30):
        parts = []
        for file in sorted((self.run / "log").glob("*.log")):
            tail = file.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {file.name}", *tail]))
        return "\n".join(parts)

    def pid(self, service):
        return int((self.run / f"{service}.pid").read_text())

    def kill(self, service, number=signal.SIGKILL):
        """Ends one process; the supervisor starts it again."""
        old = self.pid(service)
        os.kill(old, number)
        return old

    def restart(self, service, number=signal.SIGTERM):
        old = self.kill(service, number)
        wait_for(f"{service} runs again", lambda: self.pid(service) != old, 60)
        self.wait_healthy(service)

    def wait_healthy(self, service, seconds=60):
        number = int(service.rsplit("-", 1)[1]) - 1 if service[-1].isdigit() else 0
        port = self.admin_port(service.rstrip("-0123456789"), number)
        wait_for(f"{service} is ready", lambda: self.healthy(port), seconds)

    def healthy(self, admin_port):
        return subprocess.run([BUILD / "postbusctl", "health", "--port", str(admin_port)],
                              capture_output=True).returncode == 0

    def metrics(self, service, replica=0):
        address = f"http://127.0.0.1:{self.admin_port(service, replica)}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()

    def metric(self, service, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.metrics(service), re.M)
        assert found, f"no metric {name}"
        return float(found[1])

    def sql(self, statement):
        """As the owner; for looking, not for making tests true."""
        sys.path.insert(0, str(ROOT / "deploy/local"))
        import postgres
        socket = self.run / "pg"
        return subprocess.run([postgres.binary("psql"), "-h", str(socket), "-U", postgres.OWNER,
                               "-d", "postbus", "-qAt", "-c", statement], check=True,
                              capture_output=True, text=True).stdout.strip()
