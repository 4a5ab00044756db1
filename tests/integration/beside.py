"""One more process of a service, beside those of a running product, with other options.

It works on the product's database with the product's secrets, so a test of an option
costs one start of one process.
"""
import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

from product import BUILD, ROOT, free_port, wait_for

sys.path.insert(0, str(ROOT / "deploy/local"))
import postgres  # noqa: E402
import run  # noqa: E402  (deploy/local/run.py: what the product was started by)

STOP_DEADLINE_S = 60


class Beside:
    """Where the process listens, and the configuration it runs with."""

    def __init__(self, product, service, options):
        start = next(i for i, word in enumerate(product.command) if word.endswith("/run.py"))
        original = run.Product(run.parse(product.command[start + 1:]))
        self.product, self.domain, self.run = product, product.domain, product.run
        self.service = service
        self.ports = {name: free_port() for name in
                      (*run.PORTS, "admin_port", "bus_work_port", "bus_event_port",
                                          "mxdeliv_port")}
        self.environment = original.environment(run.Replica(service, 0))
        # Clients that a test leaves open are not waited for.
        self.set({**self.ports, "drain_seconds": 1, **options})
        self.log = product.run / "log" / f"{service}-{self.ports['admin_port']}.log"

    def set(self, options):
        for name, value in options.items():
            self.environment.pop(f"POSTBUS_{name.upper()}", None)
            if value is not None:
                self.environment[f"POSTBUS_{name.upper()}"] = str(value)

    def port(self, base, replica=0):
        """As product.port: by the number that the port has without an offset."""
        assert replica == 0
        return self.ports[next(name for name, port in run.PORTS.items() if port == base)]

    def is_ready(self):
        return subprocess.run([BUILD / "postbusctl", "health", "--port",
                               str(self.ports["admin_port"])], capture_output=True
                              ).returncode == 0

    def threads(self, name):
        """How many threads have this name, or this name and a number."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/comm")
        return sum(bool(re.fullmatch(rf"{name}\W?\d*\n", task.read_text())) for task in tasks)

    def admin(self, path):
        """What the admin port says."""
        url = f"http://127.0.0.1:{self.ports['admin_port']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.read().decode()

    def metric(self, name):
        """One that is counted for the first time later is an assertion that fails until then."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.admin("/metrics"), re.M)
        assert found, f"no metric {name}"
        return float(found[1])

    def logged(self, pattern):
        return re.search(pattern, self.log.read_text())

    def refuses_to_start(self):
        """What it says when its options are wrong."""
        done = subprocess.run([BUILD / self.service], env=self.environment, text=True,
                              capture_output=True, timeout=STOP_DEADLINE_S)
        assert done.returncode != 0
        return done.stdout + done.stderr


@contextlib.contextmanager
def running(product, service, ready=True, environment=None, prefix=(), **options):
    b = Beside(product, service, options)
    b.environment.update(environment or {})
    with open(b.log, "ab") as log:
        b.process = process = subprocess.Popen([*prefix, BUILD / service], env=b.environment, stdout=log, stderr=log)
    try:
        wait_for(f"{service} is ready", lambda: process.poll() is not None or not ready or b.is_ready(), 60)
        assert process.poll() is None, b.log.read_text()
        yield b
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_DEADLINE_S)
    assert process.returncode == 0, b.log.read_text()


@contextlib.contextmanager
def locked(product, table):
    """Nobody else can read the table."""
    psql = subprocess.Popen([postgres.binary("psql"), "-h", product.run / "pg", "-U",
                             postgres.OWNER, "-d", "postbus", "-qAt"], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        psql.stdin.write(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
        psql.stdin.flush()
        assert psql.stdout.readline() == "locked\n"
        yield
    finally:
        psql.stdin.write("ROLLBACK;\n")
        psql.stdin.close()
        psql.wait(30)
