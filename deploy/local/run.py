#!/usr/bin/env python3
"""Start the whole product on one machine, under one folder, and stop it as one.

    run.py [--build build/release] [--run run] [--domain _postbus.localhost]
           [--port-offset 0] [--standard-ports] [--lan 0] [--replicas SERVICE=2 ...]
           [--set OPTION=VALUE ...] [--env NAME=VALUE ...]

Everything lives below the run folder: PostgreSQL's data, secrets, certificate, logs and
one <name>.pid for each process.  Options are read from its postbus.ini and from the
environment.  What dies is started again, unless it refuses its configuration, which ends
all.  SIGINT and SIGTERM stop all.
"""
import argparse
import contextlib
import ctypes
import functools
import hashlib
import os
import pathlib
import secrets
import shlex
import signal
import socket as sockets
import subprocess
import sys
import time

import postgres
import settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOMAIN = "_postbus.localhost"
SERVICES = ["queue-worker", "remote-sender", "janitor", "smtp-ingress", "imap-gateway",
            "registrar"]
# Each service's place in the lists of ports that all services have.
INDEX = {name: i for i, name in enumerate(
    ["smtp-ingress", "queue-worker", "remote-sender", "imap-gateway", "registrar", "janitor"])}
CLIENT_PORTS = {"smtp-ingress": ["smtp_port", "submission_port", "submissions_port", "lmtp_port"],
                "imap-gateway": ["imap_port", "imaps_port"],
                "registrar": ["http_port", "https_port"]}
PORTS = {"smtp_port": 2525, "submission_port": 2587, "submissions_port": 2465, "lmtp_port": 2424,
         "imap_port": 2143, "imaps_port": 2993, "http_port": 8080, "https_port": 8443}
STANDARD_PORTS = {"smtp_port": 25, "submission_port": 587, "submissions_port": 465, "lmtp_port": 24,
                  "imap_port": 143, "imaps_port": 993, "http_port": 80, "https_port": 443}
# A second replica listens this much above the first; see --replicas.
REPLICA_STEP, ADMIN_STEP = 100, 10
ADMIN_PORT, WORK_PORT, EVENT_PORT, MXDELIV_PORT = 9090, 5551, 5552, 2526
# Who offers what on the bus, as the services' own flags say.
OFFERS_WORK = ["smtp-ingress", "queue-worker", "remote-sender"]
OFFERS_EVENTS = ["queue-worker", "imap-gateway", "registrar", "janitor"]
LAST_PORT, OFFSET_STEP = 65535, 1000
START_DEADLINE_S, STOP_DEADLINE_S, KEY_DEADLINE_S = 90, 30, 10
RESTART_MIN_S, RESTART_MAX_S, STEADY_S = 0.2, 2.0, 10.0
# How a service ends that refuses its configuration.
EXIT_CONFIG = 2
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def say(text):
    try:
        print(text, flush=True)
    except BrokenPipeError:  # nobody listens any more; what runs goes on
        sys.stdout = open(os.devnull, "w")


def write_pid(path, pid):
    """Whoever reads the file sees a whole number, the old one or the new one."""
    new = path.with_suffix(".new")
    new.write_text(f"{pid}\n")
    new.rename(path)


class Child:
    """One supervised process and when it may be started again; a service is asked first, by
    check, whether it would refuse its configuration."""

    def __init__(self, name, command, environment, run, stop_signal=signal.SIGTERM,
                 descriptors=(), check=None):
        self.name, self.command, self.environment = name, command, environment
        self.run, self.stop_signal = run, stop_signal
        self.descriptors, self.check = descriptors, check
        self.log = run / "log" / f"{name}.log"
        self.process, self.started, self.not_before, self.delay = None, 0.0, 0.0, RESTART_MIN_S

    def start(self):
        def before_exec():
            # Should this supervisor be killed, nothing may stay behind.
            LIBC.prctl(PR_SET_PDEATHSIG, int(self.stop_signal))

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=before_exec,
                pass_fds=self.descriptors, cwd="/" if self.descriptors else None)
        self.started = time.monotonic()
        write_pid(self.run / f"{self.name}.pid", self.process.pid)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def tend(self):
        """Start again what died; wait longer each time it dies soon after its start."""
        now = time.monotonic()
        if self.alive():
            return
        if self.process is not None:
            if self.check is not None and self.process.returncode == EXIT_CONFIG:
                self.check()
            lived = now - self.started
            self.delay = RESTART_MIN_S if lived > STEADY_S else min(self.delay * 2, RESTART_MAX_S)
            say(f"{self.name} stopped ({describe(self.process.returncode)}); "
                f"starting it again in {self.delay:.1f} s, see {self.log}")
            self.process, self.not_before = None, now + self.delay
        if now >= self.not_before:
            self.start()

    def stop(self):
        if self.alive():
            self.process.send_signal(self.stop_signal)

    def finish(self, until):
        if self.process is not None:
            try:
                self.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                say(f"{self.name} did not stop in time; killing it")
                self.process.kill()
                self.process.wait()
        (self.run / f"{self.name}.pid").unlink(missing_ok=True)


def describe(code):
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def lan_address():
    """The address that this machine uses towards its network; no packet is sent."""
    probe = sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
    except OSError:
        raise SystemExit("LAN=1: this machine has no network address; connect it first")
    finally:
        probe.close()


def make_secret(path, length=32):
    """Whole or not at all, and at no time readable for others."""
    if os.path.lexists(path):
        return
    new = path.with_name(path.name + ".new")
    with open(new, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as f:
        f.write(secrets.token_hex(length) + "\n")
    new.rename(path)


def folder(text):
    """The services cut blanks off the ends of what they read, paths too."""
    path = str(pathlib.Path(text).resolve())
    if not text or path != path.rstrip() or not path.isprintable():
        raise SystemExit(f"RUN={text!r}: give a folder whose name neither ends with a blank nor holds "
                         "control characters")
    return pathlib.Path(path)


def trouble_with(address, port):
    """Why nobody can listen there; None when it is free."""
    family = sockets.AF_INET6 if ":" in address else sockets.AF_INET
    try:
        with sockets.socket(family, sockets.SOCK_STREAM) as s:
            s.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            s.bind((address, port))
    except OSError as e:
        return e.strerror
    return None


def check_ports(doors, offset):
    """doors: (address, port, what is there).  Says what is taken, and an offset that helps."""
    taken = [f"port {port} ({what}) on {address} is not free: {why}"
             for address, port, what in doors if (why := trouble_with(address, port))]
    if not taken:
        return
    if len(taken) > 1:
        taken[1:] = [f"nor are {len(taken) - 1} more"]
    highest = max(port for _, port, _ in doors)
    for more in range(OFFSET_STEP, LAST_PORT - highest + 1, OFFSET_STEP):
        if not any(trouble_with(address, port + more) for address, port, _ in doors):
            taken.append(f"choose others with PORT_OFFSET={offset + more}")
            break
    raise SystemExit("; ".join(taken))


class Replica:
    """One process of a service; the second is called imap-gateway-2, and so on."""

    def __init__(self, service, number):
        self.service, self.number = service, number
        self.name = service if number == 0 else f"{service}-{number + 1}"
        self.role = f"postbus_{service.replace('-', '_')}"


class Product:
    def __init__(self, arguments):
        self.build = pathlib.Path(arguments.build).resolve()
        self.run = folder(arguments.run)
        self.offset = arguments.port_offset
        self.address = lan_address() if arguments.lan else "127.0.0.1"
        # On the standard ports the domain's own name leads here.
        self.public_host = "" if arguments.standard_ports else self.address
        self.listen = "0.0.0.0" if arguments.lan else "127.0.0.1"
        ports = STANDARD_PORTS if arguments.standard_ports else PORTS
        self.ports = {name: port + self.offset for name, port in ports.items()}
        self.extra = {**({"mail_domain": arguments.domain} if arguments.domain else {}),
                      **dict(arguments.set)}
        counts = dict(arguments.replicas)
        self.replicas = [Replica(s, n) for s in SERVICES for n in range(int(counts.get(s, 1)))]
        # Deep checkouts get a short one in /tmp.
        self.socket = self.run / "pg"
        if not postgres.fits_a_socket(self.socket):
            digest = hashlib.sha256(os.fsencode(self.run)).hexdigest()[:12]
            self.socket = pathlib.Path(f"/tmp/postbus-{os.getuid()}-{digest}")
        self.given = settings.given(self.run)
        self.children = []

    def admin_port(self, replica):
        return (ADMIN_PORT + INDEX[replica.service] + ADMIN_STEP * replica.number + self.offset)

    def bus_port(self, base, replica):
        return (base + 10 * INDEX[replica.service] + REPLICA_STEP * replica.number + self.offset)

    def lock(self):
        """One product in a folder, until this process ends."""
        try:
            self.run.mkdir(mode=0o755, parents=True, exist_ok=True)
            lock = os.open(self.run / "supervisor.lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as e:
            raise SystemExit(f"cannot write to {self.run}: {e.strerror}; choose another with RUN=")
        try:
            os.lockf(lock, os.F_TLOCK, 0)
        except OSError:
            raise SystemExit(f"{self.run} is in use by another run; choose another with RUN=")

    def check_options(self):
        """Before anything is made."""
        if not (self.build / "postbusctl").exists():
            raise SystemExit(f"{self.build} holds no postbusctl; run: make")
        for replica in self.replicas:
            own = self.own_values(replica)
            settings.refuse_what_is_ours(own, self.given)
            self.check_range(own)

    def check_range(self, values):
        for name, port in values.items():
            if isinstance(port, int) and not 0 < port <= LAST_PORT:
                raise SystemExit(f"PORT_OFFSET={self.offset} makes {port} of {name}; ports are 1 to "
                                 f"{LAST_PORT}")

    @functools.cached_property
    def effective(self):
        """The options on which all processes agree, as they read them."""
        return settings.effective(self.build / "postbusctl", self.owner_environment())

    def prepare_folders(self):
        for name in ("log", "secrets"):
            (self.run / name).mkdir(mode=0o755, exist_ok=True)
        (self.run / "secrets").chmod(0o700)
        postgres.make_socket_folder(self.socket)
        make_secret(self.run / "secrets" / "cluster_secret")
        for replica in self.replicas:
            make_secret(self.run / "secrets" / replica.role)
        if self.has_own_certificate():
            self.certificate()

    def has_own_certificate(self):
        return not any(name in self.given for name in settings.CERTIFICATE)

    def certificate(self):
        # With and without LAN=1 the same one will do.
        names = dict.fromkeys(["127.0.0.1", self.address, self.effective["public_host"]])
        made = subprocess.run([
            self.build / "postbusctl", "cert", "--if-needed", "--domain",
            self.effective["mail_domain"], *(word for n in names if n for word in ("--address", n)),
            "--certificate", self.run / "secrets" / "tls.crt",
            "--key", self.run / "secrets" / "tls.key"])
        if made.returncode != 0:
            raise SystemExit(made.returncode)

    def check_services(self):
        for replica in self.replicas:
            self.check(replica)

    def check(self, replica):
        settings.check(self.build / replica.service, self.environment(replica))

    def standard_values(self):
        """Of the options that nobody set."""
        values = {
            "mail_domain": DOMAIN,
            "listen_address": self.listen,
            "public_host": self.public_host,
            **{f"public_{name}": port for name, port in self.ports.items()
               if name not in ("smtp_port", "lmtp_port", "http_port")},
            "cluster_secret_file": self.run / "secrets" / "cluster_secret",
            "disk_path": self.run,
            **settings.LENIENT,
        }
        if self.has_own_certificate():
            values["tls_certificate_file"] = self.run / "secrets" / "tls.crt"
            values["tls_key_file"] = self.run / "secrets" / "tls.key"
        return {name: value for name, value in values.items() if name not in self.given}

    def own_values(self, replica):
        """What keeps the processes of one machine apart, and lets them find each other."""
        shift = REPLICA_STEP * replica.number
        return {
            "admin_address": "127.0.0.1",
            "admin_port": self.admin_port(replica),
            "bus_address": "127.0.0.1",
            "bus_work_port": self.bus_port(WORK_PORT, replica),
            "bus_event_port": self.bus_port(EVENT_PORT, replica),
            "mxdeliv_port": MXDELIV_PORT + self.offset + shift,
            "database_host": self.socket,
            "database_port": postgres.SETTINGS["port"],
            "database_name": "postbus",
            "database_user": replica.role,
            "database_password_file": self.run / "secrets" / replica.role,
            **{name: port + shift for name, port in self.ports.items()},
            **self.peers(),
        }

    def environment(self, replica):
        e = postgres.environment()
        e["POSTBUS_CONFIG"] = settings.config_file(self.run)
        values = {**self.standard_values(), **self.own_values(replica), **self.extra}
        e.update({settings.variable(name): str(value) for name, value in values.items()})
        return e

    def doors(self):
        """(address, port, what is there) of every port that will be listened on."""
        for replica in self.replicas:
            names = [("listen_address", port) for port in CLIENT_PORTS.get(replica.service, [])]
            names.append(("admin_address", "admin_port"))
            if replica.service == "smtp-ingress":
                names.append(("bus_address", "mxdeliv_port"))
            if replica.service in OFFERS_WORK:
                names.append(("bus_address", "bus_work_port"))
            if replica.service in OFFERS_EVENTS:
                names.append(("bus_address", "bus_event_port"))
            values = {**self.effective, **self.own_values(replica), **self.extra}
            for address, port in names:
                at, number = values[address], int(values[port])
                off = number == 0 or (port == "lmtp_port" and not values["lmtp_networks"])
                if not off:
                    yield "0.0.0.0" if at in ("", "*") else at, number, f"{port} of {replica.name}"

    def peers(self):
        def at(base, service):
            ports = [self.bus_port(base, r) for r in self.replicas if r.service == service]
            return "static:" + ",".join(f"127.0.0.1:{port}" for port in ports)

        mxdeliv = [MXDELIV_PORT + REPLICA_STEP * r.number + self.offset
                   for r in self.replicas if r.service == "smtp-ingress"]

        def name(service):
            return service.replace("-", "_")

        return {**{f"{name(s)}_work_peers": at(WORK_PORT, s) for s in OFFERS_WORK},
                **{f"{name(s)}_event_peers": at(EVENT_PORT, s) for s in OFFERS_EVENTS},
                "smtp_ingress_mxdeliv_peers":
                    "static:" + ",".join(f"127.0.0.1:{port}" for port in mxdeliv)}

    def registrar(self):
        return next(r for r in self.replicas if r.service == "registrar")

    def owner_environment(self):
        e = self.environment(self.registrar())
        e["POSTBUS_DATABASE_USER"] = postgres.OWNER
        del e["POSTBUS_DATABASE_PASSWORD_FILE"]
        e.setdefault("POSTBUS_DEFAULT_API_TOKEN_FILE", str(self.run / "secrets" / "api_token"))
        return e

    def write_command(self):
        """run/postbusctl: the command line of this server, by its owner's configuration."""
        values = self.owner_environment()
        values["POSTBUS_CONFIG"] = os.path.abspath(values["POSTBUS_CONFIG"])
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())
                 if name.startswith(settings.PREFIX)]
        new = self.run / "postbusctl.new"
        new.unlink(missing_ok=True)  # of a start that was broken off
        # Values may be secrets: at no time for others to read.
        with open(new, "x", errors="surrogateescape",
                  opener=lambda path, flags: os.open(path, flags, 0o700)) as f:
            f.write("\n".join(
                ["#!/bin/sh", "# postbusctl for the server in this folder; written at each start.",
                 *lines, f'exec {shlex.quote(str((self.build / "postbusctl").resolve()))} "$@"', ""]))
        new.rename(self.run / "postbusctl")

    def start_database(self):
        data = self.run / "postgres"
        postgres.create(str(data))
        folders = [postgres.descriptor(data), postgres.descriptor(self.socket)]
        child = Child("postgres", postgres.command(*folders), postgres.environment(), self.run,
                      postgres.STOP_SIGNAL, folders)
        child.start()
        self.children.append(child)
        postgres.wait_ready(str(self.socket), child.alive, child.log)
        postgres.create_database(str(self.socket), "postbus")
        migrated = subprocess.run(
            [self.build / "postbusctl", "migrate", "--role-passwords", self.run / "secrets",
             "--operator-token", self.run / "secrets" / "api_token"],
            env=self.owner_environment())
        if migrated.returncode != 0:
            raise SystemExit(f"the database was not brought up to date; see above and {child.log}")

    def start_services(self):
        for replica in self.replicas:
            child = Child(replica.name, [str(self.build / replica.service)],
                          self.environment(replica), self.run,
                          check=functools.partial(self.check, replica))
            child.start()
            self.children.append(child)

    def wait_ready(self, stopping):
        until = time.monotonic() + START_DEADLINE_S
        waiting = list(self.replicas)
        while waiting and not stopping():
            waiting = [r for r in waiting if not self.is_ready(r)]
            if waiting and time.monotonic() > until:
                names = ", ".join(r.name for r in waiting)
                raise SystemExit(f"not ready after {START_DEADLINE_S} s: {names}; "
                                 f"see {self.run}/log/")
            for child in self.children:
                child.tend()
            time.sleep(0.05)

    def is_ready(self, replica):
        return subprocess.run(
            [self.build / "postbusctl", "health", "--port", str(self.admin_port(replica))],
            capture_output=True).returncode == 0

    def print_invite(self):
        domain = self.effective["mail_domain"]
        host = self.effective["public_host"] or domain.strip("[]")
        say(f"postbus ready: https://{host}:{self.effective['public_https_port']}/ ({domain})")
        subprocess.run([self.build / "registrar", "--print-invite"],
                       env=self.environment(self.registrar()), check=False)

    def print_records(self):
        """What other servers look up before they take mail of a domain that they know."""
        if self.effective["mail_domain"][0] in "_[" or self.effective["dkim_sign"] != "true":
            return
        until = time.monotonic() + KEY_DEADLINE_S
        while (shown := self.show_records()).returncode != 0 and time.monotonic() < until:
            time.sleep(0.1)
        if shown.returncode == 0:
            say(f"what the DNS of {self.effective['mail_domain']} has to say, or other servers "
                f"refuse its mail:\n\n{shown.stdout}")

    def show_records(self):
        return subprocess.run([self.run / "postbusctl", "dkim", "show"], capture_output=True, text=True)

    def stop(self):
        """Services first, so that they can finish what they hold; the database last."""
        services = [c for c in self.children if c.name != "postgres"]
        for group in (services, [c for c in self.children if c.name == "postgres"]):
            until = time.monotonic() + STOP_DEADLINE_S
            for child in group:
                child.stop()
            for child in group:
                child.finish(until)
        if self.socket.parent != self.run:
            with contextlib.suppress(OSError):  # a server that broke off leaves its socket there
                self.socket.rmdir()


def make_was_interrupted():
    """Whether the make that started us is handling SIGINT: it then waits for us and sends
    nothing.  While its handler runs, the signal is in its set of blocked ones."""
    try:
        status = pathlib.Path(f"/proc/{os.getppid()}/status").read_text()
        comm = pathlib.Path(f"/proc/{os.getppid()}/comm").read_text().strip()
    except OSError:
        return False
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return comm in ("make", "gmake") and bool(int(blocked, 16) >> (signal.SIGINT - 1) & 1)


def pair(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def count(text):
    service, number = pair(text)
    if service not in SERVICES or not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not SERVICE=COUNT with one of: "
                                         + ", ".join(SERVICES))
    return service, number


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default=str(ROOT / "build" / "release"),
                   help="folder of the built services")
    p.add_argument("--run", default=str(ROOT / "run"), help="folder of all data")
    p.add_argument("--domain", help=f"mail domain, whatever postbus.ini says; else {DOMAIN}")
    p.add_argument("--port-offset", type=int, default=0, help="added to every port")
    p.add_argument("--standard-ports", action="store_true",
                   help="25, 143, 465, 587, 993, 80 and 443 instead of unprivileged ports")
    p.add_argument("--replicas", action="append", type=count, default=[],
                   metavar="SERVICE=COUNT",
                   help=f"more processes of a service, each {REPLICA_STEP} ports above the last")
    p.add_argument("--lan", type=int, choices=(0, 1), default=0,
                   help="1: serve the local network, not only this machine")
    p.add_argument("--set", action="append", type=pair, default=[], metavar="OPTION=VALUE",
                   help="set an option of postbus.ini for all services, whatever it says there")
    p.add_argument("--env", action="append", type=pair, default=[], metavar="NAME=VALUE",
                   help="put into the environment of every process, PostgreSQL too")
    return p.parse_args(argv)


def supervise(product, stopping):
    say("starting PostgreSQL")
    product.start_database()
    say("starting the six services")
    product.start_services()
    product.wait_ready(stopping)
    if not stopping():
        product.print_invite()
        product.print_records()
    parent = os.getppid()
    while not stopping():
        for child in product.children:
            child.tend()
        if os.getppid() != parent or make_was_interrupted():
            break
        time.sleep(0.1)


def prepare(product):
    product.lock()
    product.check_options()
    check_ports(list(product.doors()), product.offset)
    product.prepare_folders()
    product.check_services()
    product.write_command()


def main(argv):
    arguments = parse(argv)
    os.environ.update(arguments.env)
    sys.stdout.reconfigure(errors="backslashreplace")  # a folder may have any name
    stop_requests = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop_requests.append(1))
    try:
        product = Product(arguments)
        prepare(product)
        write_pid(product.run / "supervisor.pid", os.getpid())
        try:
            supervise(product, lambda: bool(stop_requests))
        finally:
            say("stopping")
            product.stop()
            (product.run / "supervisor.pid").unlink(missing_ok=True)
    except OSError as e:
        raise SystemExit(f"cannot go on: {e}")
    except SystemExit:
        # Ctrl-C reaches what helps us to start as well.
        if not stop_requests:
            raise
    say("stopped")


if __name__ == "__main__":
    main(sys.argv[1:])
