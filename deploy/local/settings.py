"""Who sets which option, when the product runs on one machine.

People set options as everywhere, in <run>/postbus.ini and by POSTBUS_<NAME> in the
environment; the services read both themselves and refuse names that do not exist.  run.py
adds what such a product needs, where nobody says otherwise, and what keeps its processes
from meeting each other, which nobody else may set.
"""
import os
import pathlib
import re
import subprocess

CONFIG = "postbus.ini"
# A laptop that compiles meanwhile is no server under attack, and a first try sends fast.
LENIENT = {"max_load_1m": 0, "min_free_disk_space": "100M", "max_user_send_per_minute": 600,
           "max_user_send_burst_size": 100, "new_private_accounts_per_hour": 0,
           "nocreate_file": ""}
CERTIFICATE = ("tls_certificate_file", "tls_key_file", "tls_external_cert_and_key")
PREFIX = "POSTBUS_"


def variable(name):
    return PREFIX + name.upper()


def config_file(run):
    """Never the one in /etc, which is another server's."""
    given = os.environ.get("POSTBUS_CONFIG")
    own = pathlib.Path(run) / CONFIG
    return given or (str(own) if os.path.lexists(own) else os.devnull)


def names_in_file(path):
    """As common/svc/options_ini.c reads it; what is wrong with it is for the services to say."""
    try:
        lines = pathlib.Path(path).read_text(errors="replace").split("\n")
    except OSError:
        return []
    return [line.partition("=" if "=" in line else ":")[0].strip()
            for line in lines if line and line[0] not in " \t#;["]


def given(run):
    """Every option that people set, and where."""
    file = config_file(run)
    found = {name: f"{file}: {name}" for name in names_in_file(file)}
    found.update((name.removeprefix(PREFIX).lower(), f"environment: {name}")
                 for name in os.environ if name.startswith(PREFIX))
    return found


def refuse_what_is_ours(names, given_names):
    for name in names:
        if name in given_names:
            raise SystemExit(f"{given_names[name]}: on one machine this is set for each process; "
                             "leave it out (PORT_OFFSET= moves all ports)")


def effective(postbusctl, environment):
    """All options as the services read them, secrets left out."""
    done = subprocess.run([postbusctl, "config", "print"], env=environment, text=True,
                          capture_output=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip().removeprefix("postbusctl: "))
    pairs = (line.split(" = ", 1) for line in done.stdout.splitlines()
             if re.match(r"\w+ = ", line))
    return dict(pairs)


def check(service, environment):
    """Ends with the sentence of a service that would not start with its configuration."""
    done = subprocess.run([service, "--check-config"], env=environment, text=True,
                          capture_output=True)
    if done.returncode != 0:
        reason = re.search(r'reason="(.*)"$', done.stderr, re.M)
        raise SystemExit(f"{pathlib.Path(service).name}: "
                         + (reason[1] if reason else done.stderr.strip()))
