"""A PostgreSQL that answers over TCP: with TLS, as primary or as standby."""
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from product import ROOT, wait_for

sys.path.insert(0, str(ROOT / "deploy/local"))
import postgres  # noqa: E402

TRUST = "local all all trust\nhost all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n"


class Server:
    """Those of one database have an address each, and all the same port.  files: settings
    that name a file, of which the server gets a copy."""

    def __init__(self, address, port, settings=None, files=None, hba=TRUST):
        self.address, self.port, self.process, self.hba = address, port, None, hba
        # Where its user may go, other than in a test's own folder.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postbus-pg-"))
        self.folder.chmod(0o755)
        self.data = self.make_folder("data")
        self.settings = {"listen_addresses": address, "port": port, "fsync": "off",
                         "shared_buffers": "64MB", "max_connections": "150",
                         "unix_socket_directories": self.make_folder("socket", 0o755),
                         **(settings or {}),
                         **{name: self.give(path) for name, path in (files or {}).items()}}

    def make_folder(self, name, mode=0o700):
        path = self.folder / name
        path.mkdir(mode=mode)
        postgres.give_to_server(path)
        return path

    def give(self, path):
        copy = shutil.copy(path, self.folder)
        postgres.give_to_server(copy)
        return copy

    def tool(self, name, *words):
        subprocess.run([*postgres.as_ordinary_user(), postgres.binary(name), *map(str, words)],
                       check=True, cwd="/", env=postgres.environment(), capture_output=True, timeout=120)

    def create(self):
        postgres.initdb(self.data, postgres.OWNER, "--locale=C", "-N")
        (self.data / "pg_hba.conf").write_text(self.hba)

    def copy(self, primary):
        """As its standby."""
        self.tool("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-X", "stream", "-d",
                  f"host={primary.address} port={self.port} user={postgres.OWNER} "
                  "application_name=standby")

    def start(self):
        words = [w for k, v in self.settings.items() for w in ("-c", f"{k}={v}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*postgres.as_ordinary_user(), postgres.binary("postgres"), "-D", self.data, *words],
                cwd="/", env=postgres.environment(), stdout=log, stderr=log)
        wait_for("PostgreSQL answers", self.answers, 60)

    def answers(self):
        if self.process.poll() is not None:
            raise SystemExit((self.folder / "log").read_text())
        return self.sql("SELECT 1", "postgres") == "1"

    def sql(self, statement, database="postbus"):
        return self.psql(database, "-c", statement)

    def script(self, text, database="postbus"):
        return self.psql(database, "-f", "-", input=text)

    def psql(self, database, *words, **more):
        done = subprocess.run([postgres.binary("psql"), "-h", self.folder / "socket", "-p",
                               str(self.port), "-U", postgres.OWNER, "-d", database, "-qAt", *words],
                              env=postgres.environment(), capture_output=True, text=True, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def is_primary(self):
        return self.sql("SELECT pg_is_in_recovery()", "postgres") == "f"

    def promote(self):
        self.sql("SELECT pg_promote()", "postgres")
        wait_for("the standby is the primary", self.is_primary)

    def stop(self, how=signal.SIGQUIT):
        """SIGQUIT: at once and without a word to anybody, as if the machine had gone."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder)
