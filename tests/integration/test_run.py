"""make run, as a person uses it."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

import pytest

import mail
from beside import run  # deploy/local/run.py
from product import BUILD, ROOT, Product, wait_for

OFFSET = 9000
FREE_OFFSET = 15000  # and the next ones: no product of these tests is there
NOBODY = 65534


class Make:
    def __init__(self, folder, offset=OFFSET, *variables, domain="_make.localhost", prefix=(),
                 checkout=ROOT, name="run", environment=None):
        self.run = pathlib.Path(folder) / name
        self.file = pathlib.Path(folder) / "out"
        self.offset, self.domain = offset, domain
        with open(self.file, "w") as out:
            self.process = subprocess.Popen(
                [*prefix, "make", "run", f"RUN={self.run}", f"PORT_OFFSET={offset}",
                 f"DOMAIN={self.domain}", f"MODE={BUILD.name}", *variables], cwd=checkout,
                stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, **(environment or {})})

    def output(self):
        return self.file.read_text()

    def wait_ready(self):
        def is_ready():
            if self.process.poll() is not None:
                raise SystemExit(f"make run ended:\n{self.output()}")
            return "postbus ready" in self.output()
        wait_for("postbus ready", is_ready, 300)

    def port(self, base, replica=0):
        return base + self.offset

    def pids(self):
        return [int(f.read_text()) for f in self.run.glob("*.pid")]

    def __enter__(self):
        self.wait_ready()
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(90)

    def end(self, number, group=False):
        pids = self.pids()
        assert len(pids) == 8  # six services, PostgreSQL and the supervisor
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(90)
        wait_for("no process is left", lambda: not any(map(alive, pids)))


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_start_stop_and_start_again(tmp_path):
    with Make(tmp_path) as make:
        line = re.search(r"^postbus ready.*$", make.output(), re.M)[0]
        assert f"https://127.0.0.1:{8443 + OFFSET}/" in line
        wait_for("a QR code", lambda: "\u2588" in make.output())
        user = mail.new_account(make)
        client = mail.imap(make, user)
        client.append("INBOX", None, None, mail.encrypted(user, "kept@test").encode())
        secret = (make.run / "secrets/cluster_secret").read_text()
        certificate = (make.run / "secrets/tls.crt").read_text()

        gateway = int((make.run / "imap-gateway.pid").read_text())
        os.kill(gateway, signal.SIGKILL)
        wait_for("the gateway is started again",
                 lambda: int((make.run / "imap-gateway.pid").read_text()) != gateway)
        make.end(signal.SIGINT)

    with Make(tmp_path) as make:
        text = terminal_code(make, tmp_path)
        assert text.startswith("dclogin:") and "ih=127.0.0.1" in text
        assert f"ip={2993 + OFFSET}" in text and f"sp={2465 + OFFSET}" in text
        client = mail.imap(make, user)
        client.select("INBOX")
        assert mail.message_ids(client) == ["kept@test"]
        assert secret == (make.run / "secrets/cluster_secret").read_text()
        assert certificate == (make.run / "secrets/tls.crt").read_text()
        make.end(signal.SIGTERM)

    with Make(tmp_path) as make:
        make.end(signal.SIGINT, group=True)


def test_the_local_network_is_served(tmp_path):
    """LAN=1: every client port on the machine's own address, which the codes name; the
    rest stays on loopback.  zbarimg reads what the terminal shows."""
    address = "192.0.2.77"
    lan = f"{address}/24 dev lo".split()
    subprocess.run(["ip", "addr", "add", *lan], check=True)
    try:
        with Make(tmp_path, OFFSET, "LAN=1") as make:
            assert f"postbus ready: https://{address}:{8443 + OFFSET}/" in make.output()
            text = terminal_code(make, tmp_path)
            assert text.startswith("dclogin:")
            for part in (f"ih={address}", f"sh={address}", f"ip={2993 + OFFSET}",
                         f"sp={2465 + OFFSET}"):
                assert part in text
            for port in (2993, 2465, 8443):
                certificate = served_certificate(address, port + OFFSET)
                assert address in certificate
            for port in (9090, 5551, 5552):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((address, port + OFFSET), 10)
            make.end(signal.SIGTERM)
    finally:
        subprocess.run(["ip", "addr", "del", *lan], check=True)


def exchange_mail(make, count=1):
    """From one new account to another, all at once, as somebody who tries it for the first
    time and is quick."""
    sender, reader = mail.new_account(make), mail.new_account(make)
    smtp = mail.smtp(make, sender)
    ids = [f"{n}@{make.domain}" for n in range(count)]
    for message_id in ids:
        smtp.sendmail(sender, [reader], mail.encrypted(sender, message_id))
    smtp.quit()
    imap = mail.imap(make, reader)

    def has_all():
        imap.select("INBOX")
        return sorted(mail.message_ids(imap)) == sorted(ids)
    wait_for("all messages", has_all)
    imap.logout()


def test_two_side_by_side(tmp_path):
    """As the README starts the second one, while the first one starts."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = Make(folders[0]), Make(folders[1], OFFSET + 100, domain="_x.test")
    with first, second:
        for make in (first, second):
            # More than a server on the internet would take from one sender.
            exchange_mail(make, 40)
        secrets = [(m.run / "secrets/cluster_secret").read_text() for m in (first, second)]
        assert secrets[0] != secrets[1]
        first.end(signal.SIGINT)
        exchange_mail(second)
        second.end(signal.SIGINT)


@contextlib.contextmanager
def public_folder():
    """One that every user of the machine can enter."""
    with tempfile.TemporaryDirectory(prefix="postbus-public-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def has_other_users():
    """Not so where these tests run in a user namespace, which an ordinary user gets."""
    return int(pathlib.Path("/proc/self/uid_map").read_text().split()[2]) > NOBODY


def as_nobody():
    if has_other_users():
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["unshare", "--user", "--map-user=nobody", "--map-group=nogroup"]


def copy_of_checkout(folder):
    """With what is built, and with times, so that nothing is built again."""
    for name in ("Makefile", "common", "services", "cli", "bench", "proto", "tools", "deploy"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    shutil.copytree(BUILD, folder / "build" / BUILD.name)
    if has_other_users():
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)


def test_an_ordinary_user_builds_and_runs_it(tmp_path):
    """In a folder whose path is too long for a socket, and with one file to compile."""
    with public_folder() as checkout:
        copy_of_checkout(checkout)
        page = checkout / "services/registrar/page.c"
        os.utime(page)
        deep = checkout / ("d" * 90)
        deep.mkdir()
        if has_other_users():
            os.chown(deep, NOBODY, NOBODY)
        with Make(deep, prefix=as_nobody(), checkout=checkout) as make:
            assert "[1/1] services/registrar/page.c\n" in make.output()
            exchange_mail(make)
            for pid in make.pids():
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                assert re.search(r"^CapEff:\s+0+$", status, re.M), status
            sockets = set(pathlib.Path("/tmp").glob("postbus-[0-9]*-*"))
            assert any(f.stat().st_mode & 0o777 == 0o700 for f in sockets)
            make.end(signal.SIGINT)
        assert not sockets & set(pathlib.Path("/tmp").glob("postbus-[0-9]*-*"))


def start_in_vain(*arguments, **environment):
    """What run.py says when it cannot start, in its last line."""
    done = subprocess.run([sys.executable, ROOT / "deploy/local/run.py", "--build", BUILD,
                           *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_nobody_else_reaches_the_database():
    """Who can would be the owner of all mail, without a password."""
    with public_folder() as folder, Product(keep=folder) as p:
        assert p.sql("SELECT current_user") == "postbus_owner"
        assert (p.run / "pg").stat().st_mode & 0o777 == 0o700
        assert (p.run / "postgres").stat().st_mode & 0o777 == 0o700
        if has_other_users():
            assert os.access(p.run, os.X_OK) and p.run.stat().st_mode & 0o005 == 0o005
            psql = subprocess.run(
                [*as_nobody(), "psql", "-h", p.run / "pg", "-U", "postbus_owner", "-d", "postbus",
                 "-c", "SELECT count(*) FROM account"], capture_output=True, text=True)
            assert psql.returncode != 0 and "Permission denied" in psql.stderr, psql.stderr


def test_a_socket_folder_that_somebody_prepared_is_not_used(tmp_path):
    folder = tmp_path / ("d" * 90) / "run"
    expected = run.Product(run.parse(["--run", str(folder)])).socket
    assert expected.parent == pathlib.Path("/tmp")
    (tmp_path / "theirs").mkdir()
    expected.symlink_to(tmp_path / "theirs")
    try:
        assert f"{expected} is not ours" in start_in_vain("--run", folder, "--port-offset", "9000")
        assert not list((tmp_path / "theirs").iterdir())
    finally:
        expected.unlink()


@pytest.mark.parametrize("port, what", [
    (2465, "submissions_port of smtp-ingress"), (8443, "https_port of registrar"),
    (9095, "admin_port of janitor"), (5571, "bus_work_port of remote-sender"),
    (5592, "bus_event_port of registrar")])
def test_a_port_that_is_taken_is_named_and_others_advised(tmp_path, port, what):
    with socket.create_server(("127.0.0.1", port + FREE_OFFSET)), \
            socket.create_server(("127.0.0.1", 2143 + FREE_OFFSET + 1000)):
        said = start_in_vain("--run", tmp_path / "run", "--port-offset", str(FREE_OFFSET))
    assert said == (f"port {port + FREE_OFFSET} ({what}) on 127.0.0.1 is not free: Address already in "
                    f"use; choose others with PORT_OFFSET={FREE_OFFSET + 2000}\n")
    assert not (tmp_path / "run/postgres").exists()


def test_ports_beyond_the_last_one(tmp_path):
    said = start_in_vain("--run", tmp_path / "run", "--port-offset", "60000")
    assert "PORT_OFFSET=60000 makes" in said and "ports are 1 to 65535" in said


def test_every_port_is_looked_at_before_the_start(wide):
    """What is checked is exactly what the processes listen on, replicas included."""
    start = next(i for i, word in enumerate(wide.command) if word.endswith("/run.py"))
    product = run.Product(run.parse(wide.command[start + 1:]))
    pids = {wide.pid(replica.name) for replica in product.replicas}
    text = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    listening = {tuple(line.split()[3].rsplit(":", 1)) for line in text.splitlines()
                 if any(f"pid={pid}," in line for pid in pids)}
    assert listening == {(address, str(port)) for address, port, _ in product.doors()}


@pytest.mark.parametrize("name", ["postgres", *run.SERVICES])
def test_what_dies_is_started_again(product, name):
    old = product.kill(name)
    wait_for(f"{name} runs again", lambda: product.pid(name) != old and alive(product.pid(name)))
    assert any(f"{name} stopped (signal SIGKILL); starting it again" in line
               for line in product.output)
    for service in run.SERVICES:
        product.wait_healthy(service)


def test_another_domain_in_the_same_folder(tmp_path):
    """A certificate of ours is made anew when it does not name what is served; one that an
    operator put there is served as it is."""
    secrets = tmp_path / "run/secrets"
    seen = []
    for domain in ("_make.localhost", "_other.localhost"):
        with Make(tmp_path, domain=domain) as make:
            served = served_certificate("127.0.0.1", 2993 + OFFSET)
            assert f"DNS:{domain}," in served and "IP Address:127.0.0.1" in served
            seen.append((secrets / "tls.crt").read_text())
            assert ("a new self-signed certificate" in make.output()) == (len(seen) == 2)
            make.end(signal.SIGTERM)
    assert seen[0] != seen[1]

    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=theirs",
                    "-addext", "subjectAltName=DNS:theirs.example", "-keyout", "tls.key",
                    "-out", "tls.crt"], check=True, capture_output=True, cwd=secrets)
    theirs = [(secrets / name).read_bytes() for name in ("tls.crt", "tls.key")]
    with Make(tmp_path, domain="_other.localhost") as make:
        assert "theirs.example" in served_certificate("127.0.0.1", 2993 + OFFSET)
        make.end(signal.SIGTERM)
    assert theirs == [(secrets / name).read_bytes() for name in ("tls.crt", "tls.key")]


def served_certificate(address, port):
    pem = ssl.get_server_certificate((address, port))
    return subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=pem,
                          text=True, check=True, capture_output=True).stdout


def terminal_code(make, folder):
    wait_for("the code", lambda: make.output().count("\u2588") > 50)
    png = folder / "terminal.png"
    subprocess.run(["/usr/bin/python3", str(ROOT / "tests/integration/terminal_png.py"),
                    str(png)], input=make.output(), text=True, check=True)
    return subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", str(png)], check=True,
                          capture_output=True, text=True).stdout
