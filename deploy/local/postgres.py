"""A private PostgreSQL cluster: made once in a folder, run as a child, on a socket alone.

PostgreSQL refuses to run as root.  As root it is therefore started as the user that Debian's
package makes for it; where only root itself can be had (who runs tests in a user namespace
is root there, and nobody else), in a user namespace in which root has that user's number.
That user may not enter a folder below /root, so it is given the open folders.

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
    "port": "5432",
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
USER = "postgres"
# The second keeps the signal that comes when the parent dies: a change of the user ends it.
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--pdeathsig=keep")
IN_NAMESPACE = ("unshare", "--user", f"--map-user={USER}", f"--map-group={USER}")
# Fast shutdown: roll back what is open and stop; smart shutdown would wait for clients.
STOP_SIGNAL = signal.SIGINT


def binary(name, version="*"):
    """Of this version, or the newest."""
    candidates = sorted(glob.glob(f"/usr/lib/postgresql/{version}/bin/{name}"),
                        key=lambda p: int(p.split("/")[4]))
    found = candidates[-1] if candidates else shutil.which(name)
    if found:
        return found
    if version != "*":
        raise SystemExit(f"the data are PostgreSQL {version}'s, which is not installed; run: "
                         f"apt-get install postgresql-{version}")
    raise SystemExit(f"{name} is missing; run: tools/install-packages run")


@functools.cache
def as_ordinary_user():
    """The command prefix that makes a root process an ordinary one."""
    if os.geteuid() != 0:
        return ()
    for prefix in (AS_USER, IN_NAMESPACE):
        if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    raise SystemExit(f"PostgreSQL does not run as root, and root can neither become the user {USER} "
                     "here nor make a user namespace; run this as an ordinary user")


def server_user():
    return pwd.getpwnam(USER).pw_uid if as_ordinary_user() == AS_USER else os.geteuid()


def give_to_server(path):
    if as_ordinary_user() == AS_USER:
        user = pwd.getpwnam(USER)
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def give_all_to_server(data):
    """What root started in another way until now.  The folder comes last, as it tells whether
    all was given."""
    owner = os.stat(data).st_uid
    if owner == server_user():
        return
    if owner != 0 or as_ordinary_user() != AS_USER:
        raise SystemExit(f"{data} belongs to another user (number {owner}); run this as that one, or "
                         "choose another folder with RUN=")
    for folder, _, files in os.walk(data, topdown=False):
        for name in (*files, "."):
            give_to_server(os.path.join(folder, name))


def environment():
    """PGPORT and the like are for the clients of another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def descriptor(folder):
    """By its number the server finds a folder, whoever may enter those above it."""
    if not os.path.isdir("/proc/self/fd"):
        raise SystemExit("PostgreSQL cannot be started without /proc; run: mount -t proc proc /proc")
    return os.open(folder, os.O_PATH | os.O_DIRECTORY)


def path_of(number):
    return f"/proc/self/fd/{number}"


def fits_a_socket(folder):
    """A socket's path may hold 107 bytes, and a comma would begin another host's."""
    return len(os.fsencode(folder)) <= 80 and "," not in str(folder)


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


def initdb(data, owner, *arguments):
    """In an empty folder of the server's."""
    number = descriptor(data)
    try:
        done = subprocess.run(
            [*as_ordinary_user(), binary("initdb"), "--pgdata", path_of(number), "--username",
             owner, "--auth", "trust", "--encoding", "UTF8", *arguments], pass_fds=[number],
            cwd="/", env=environment(), text=True, capture_output=True)
    finally:
        os.close(number)
    if done.returncode != 0:
        raise SystemExit(f"PostgreSQL cannot make its files in {data}: "
                         + " ".join(done.stderr.split()))


def create(data):
    """Make the cluster unless it is there: beside its place, and moved there whole.  What is
    in its place is never deleted, unless it is an empty folder."""
    if os.path.exists(os.path.join(data, "PG_VERSION")):
        give_all_to_server(data)
        return
    with contextlib.suppress(OSError):
        os.rmdir(data)
    if os.path.lexists(data):
        raise SystemExit(f"{data} has files, but no PG_VERSION: restore it whole, or move it away")
    new = data + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new, mode=0o700)
    give_to_server(new)
    initdb(new, OWNER, "--locale", "C.UTF-8")
    with open(os.path.join(new, "pg_hba.conf"), "w") as f:
        f.write(HBA.format(owner=OWNER))
        f.flush()
        os.fsync(f.fileno())
    os.rename(new, data)


def command(data, socket, settings=SETTINGS):
    """Of the server, which needs the two descriptors."""
    words = [x for name, value in settings.items() for x in ("-c", f"{name}={value}")]
    version = pathlib.Path(path_of(data), "PG_VERSION").read_text().strip()
    return [*as_ordinary_user(), binary("postgres", version), "-D", path_of(data), "-k",
            path_of(socket), *words]


def answers(socket, owner):
    return subprocess.run([binary("pg_isready"), "-q", "-h", socket, "-U", owner, "-d", "postgres"],
                          env=environment()).returncode == 0


def wait_ready(socket, alive, log, owner=OWNER, seconds=60):
    """alive() says whether the server process still runs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answers(socket, owner):
            return
        if not alive():
            lines = pathlib.Path(log).read_text(errors="replace").splitlines() or ["nothing"]
            raise SystemExit(f"PostgreSQL stopped while starting, and said: {lines[-1]}; see {log}")
        time.sleep(0.05)
    raise SystemExit(f"PostgreSQL did not answer within {seconds} s; see {log}")


def create_database(socket, name):
    def ask(statement):
        done = subprocess.run([binary("psql"), "-h", socket, "-U", OWNER, "-d", "postgres",
                               "-qAt", "-c", statement], env=environment(), text=True,
                              capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"PostgreSQL does not make the database {name}: "
                             + " ".join(done.stderr.split()))
        return done.stdout.strip()

    if ask(f"SELECT 1 FROM pg_database WHERE datname = '{name}'") != "1":
        ask(f"CREATE DATABASE {name}")
