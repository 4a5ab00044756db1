"""Debian's Postfix and Dovecot, to measure beside the product: what a chatmail relay is made of.

Everything lives in a temporary folder and listens on loopback; what the machine's own Postfix and
Dovecot are set to is neither read nor changed.  The settings, with what they leave out, are in
bench/reference.  Needs root, as both have users of their own to change to.

However this program ends, the processes end with it.  Limits: killed by SIGKILL, it leaves its
folder and the kernel's raised limit behind.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import processes

TEMPLATES = pathlib.Path(__file__).with_name("reference")
PASSWORD = "loadgen-password-1"  # of all accounts
START_DEADLINE_S, STOP_DEADLINE_S = 60, 30
# One instance for each session in IDLE; as much as a relay sets.
INOTIFY_INSTANCES = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")
INSTANCES = 65535


def output(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          **options).stdout.strip()


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Reference:
    """Used by `with`; everything it started and made is gone afterwards."""

    name = "Postfix and Dovecot"
    domain, imap_port, smtp_port = "_reference.localhost", 22993, 22465
    # Sessions in IDLE change to a process for all of them after 30 seconds.
    idle_settles_s = 45

    def __init__(self):
        self.daemons, self.guards = [], []
        self.folder = self.instances_before = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None and issubclass(kind, Exception):
            print(self.logs(), file=sys.stderr)
        self.stop()

    def start(self):
        if os.geteuid() != 0:
            raise SystemExit("Postfix and Dovecot need to be started by root")
        if not shutil.which("postconf") or not shutil.which("dovecot"):
            raise SystemExit("Postfix or Dovecot is missing; run: tools/install-packages reference")
        self.instances_before = INOTIFY_INSTANCES.read_text()
        INOTIFY_INSTANCES.write_text(str(max(INSTANCES, int(self.instances_before))))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postbus-reference-"))
        self.write_files()
        config = str(self.folder / "postfix")
        output("postfix", "-c", config, "check")
        programs = output("postconf", "-c", config, "-h", "daemon_directory")
        self.daemon(f"{programs}/master", "-c", config, "-d")
        self.daemon("dovecot", "-F", "-c", str(self.folder / "dovecot.conf"))
        self.wait_ready()

    def write_files(self):
        for name in ("postfix", "log", "mail", "queue", "data"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        shutil.chown(self.folder / "mail", "nobody", "nogroup")
        shutil.chown(self.folder / "data", "postfix")
        output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={self.domain}", "-days", "2",
               "-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem"),
               stderr=subprocess.DEVNULL)
        output("cc", "-O2", "-shared", "-fPIC", "-o", str(self.folder / "notify_now.so"),
               str(TEMPLATES / "notify_now.c"))
        values = {"folder": self.folder, "domain": self.domain, "imap_port": self.imap_port,
                  "smtp_port": self.smtp_port,
                  "password_hash": "{SHA512-CRYPT}" + output("openssl", "passwd", "-6", "-stdin",
                                                            input=PASSWORD)}
        for template in TEMPLATES.iterdir():
            if template.suffix == ".c":
                continue
            text = template.read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", str(value))
            folder = self.folder if template.name == "dovecot.conf" else self.folder / "postfix"
            (folder / template.name).write_text(text)

    def daemon(self, *command):
        """In a session of its own, by which its processes are known.  Its guard ends it when
        this program closes the pipe between them, or has died."""
        with open(self.folder / "log" / "output", "ab") as log:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      start_new_session=True)
        self.daemons.append(daemon)
        self.guards.append(subprocess.Popen(
            ["sh", "-c", f"read end; kill {daemon.pid}"], stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True))

    def wait_ready(self):
        until = time.monotonic() + START_DEADLINE_S
        while not answers(self.imap_port) or not answers(self.smtp_port):
            if time.monotonic() > until or any(d.poll() is not None for d in self.daemons):
                raise SystemExit("Postfix and Dovecot did not start:\n" + self.logs())
            time.sleep(0.1)

    def stop(self):
        for guard in self.guards:
            guard.communicate()
        self.wait_gone(STOP_DEADLINE_S)
        for p in self.processes():
            try:
                os.kill(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.wait_gone(STOP_DEADLINE_S)
        self.daemons, self.guards = [], []
        if self.folder is not None:
            shutil.rmtree(self.folder)
            self.folder = None
        if self.instances_before is not None:
            INOTIFY_INSTANCES.write_text(self.instances_before)
            self.instances_before = None

    def wait_gone(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for d in self.daemons:
                d.poll()  # reaps it
            if not self.processes():
                break
            time.sleep(0.1)

    def processes(self):
        sessions = {d.pid for d in self.daemons}
        return [p for p in processes.everything() if p.session in sessions]

    def queue_left(self):
        return sum(len(files) for name in ("incoming", "active", "deferred")
                   for _, _, files in os.walk(self.folder / "queue" / name))

    def about(self):
        return (f"Postfix {output('postconf', '-dh', 'mail_version')}, "
                f"Dovecot {output('dovecot', '--version').split()[0]}, fsync as shipped")

    def logs(self, lines=30):
        parts = []
        for file in sorted((self.folder / "log").iterdir()):
            tail = file.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {file.name}", *tail]))
        return "\n".join(parts)
