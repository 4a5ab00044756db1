"""A private PostgreSQL cluster: made once in a folder, run as a child, on a socket alone.

PostgreSQL refuses to run as root, and its own user cannot enter a folder below /root.
As root it is therefore started in a user namespace in which root is an ordinary user;
where the kernel allows no such namespace, as the user postgres.

Whoever reaches the socket may enter as the owner of all mail, so its folder is open to
nobody but the user that runs this.
"""
import contextlib
import functools
import glob
import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess
import time

# Given at each start, so that a cluster of an older version has them, too.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_compression": "lz4",
    "update_process_title": "off",
    # Files of the log are used again instead of made anew, which costs a flush of the folder
    # each time.
    "min_wal_size": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "log_min_messages": "warning",
    "log_line_prefix": "%m postgres ",
    # An error's detail would show rows, with the addresses of people.
    "log_error_verbosity": "terse",
}
# Services enter by password, so that each has the rights of its role and no more.
HBA = """
local all {owner} trust
local all all scram-sha-256
"""
OWNER = "postbus_owner"


def binary(name):
    found = shutil.which(name)
    candidates = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"),
                        key=lambda p: int(p.split("/")[4]))
    if candidates:
        return candidates[-1]
    if found:
        return found
    raise SystemExit(f"{name} is missing; run: tools/install-packages run")


@functools.cache
def as_ordinary_user():
    """The command prefix that makes a root process an ordinary one."""
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*namespace, "true"], capture_output=True).returncode == 0:
        return namespace
    return ["runuser", "-u", "postgres", "--"]


def server_user():
    return pwd.getpwnam("postgres").pw_uid if runs_as_postgres() else os.geteuid()


def runs_as_postgres():
    return as_ordinary_user()[:1] == ["runuser"]


def give_to_server(path):
    if runs_as_postgres():
        shutil.chown(path, "postgres", "postgres")


def make_socket_folder(path):
    """Ours alone, also when somebody was faster in /tmp."""
    path = pathlib.Path(path)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), server_user()):
        raise SystemExit(f"{path} is not ours; remove it, or choose another folder with RUN=")
    give_to_server(path)
    path.chmod(0o700)


def create(data, socket):
    """Make the cluster unless it is there: beside its place, and moved there whole.  What is
    in its place is never deleted, unless it is an empty folder."""
    if os.path.exists(os.path.join(data, "PG_VERSION")):
        return
    with contextlib.suppress(OSError):
        os.rmdir(data)
    if os.path.lexists(data):
        raise SystemExit(f"{data} has files, but no PG_VERSION: restore it whole, or move it away")
    new = data + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new, mode=0o700)
    give_to_server(new)
    subprocess.run([*as_ordinary_user(), binary("initdb"), "--pgdata", new, "--username",
                    OWNER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(new, "pg_hba.conf"), "w") as f:
        f.write(HBA.format(owner=OWNER))
        f.flush()
        os.fsync(f.fileno())
    os.rename(new, data)


def command(data, socket):
    settings = [x for name, value in SETTINGS.items() for x in ("-c", f"{name}={value}")]
    return [*as_ordinary_user(), binary("postgres"), "-D", data, "-k", socket, *settings]


def answers(socket):
    return subprocess.run([binary("pg_isready"), "-q", "-h", socket]).returncode == 0


def wait_ready(socket, alive, seconds=60):
    """alive() says whether the server process still runs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answers(socket):
            return
        if not alive():
            raise SystemExit("PostgreSQL stopped while starting; see run/log/postgres.log")
        time.sleep(0.05)
    raise SystemExit("PostgreSQL did not answer within a minute; see run/log/postgres.log")


def create_database(socket, name):
    psql = [binary("psql"), "-h", socket, "-U", OWNER, "-d", "postgres", "-qAt", "-c"]
    there = subprocess.run([*psql, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"],
                           check=True, capture_output=True, text=True).stdout.strip()
    if there != "1":
        subprocess.run([*psql, f"CREATE DATABASE {name}"], check=True)


# Fast shutdown: roll back what is open and stop; smart shutdown would wait for clients.
STOP_SIGNAL = signal.SIGINT
