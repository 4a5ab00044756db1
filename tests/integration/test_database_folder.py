"""The folder of PostgreSQL: made whole or not at all, and never deleted when it holds data."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest

from product import ROOT

sys.path.insert(0, str(ROOT / "deploy/local"))
import postgres  # noqa: E402

START = ROOT / "deploy/docker/postgres/postgres-start"
SECRETS = "/run/secrets-postbus"


class Local:
    """make run's way."""

    def __init__(self, folder):
        self.data, self.socket = folder / "data", folder
        self.password = None

    def make(self):
        postgres.create(str(self.data))

    def command(self):
        numbers = [postgres.descriptor(self.data), postgres.descriptor(self.socket)]
        try:
            return postgres.command(*numbers)
        finally:
            for number in numbers:
                os.close(number)


class Image:
    """The image's way: its script, with folders of ours and a server that only shows how it
    would have been started."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.password = folder / "database_password"
        self.password.write_text("secret\n")
        postgres.give_to_server(self.password)
        self.bin = folder / "bin"
        self.bin.mkdir()
        real = pathlib.Path(postgres.binary("postgres")).parent
        (self.bin / "initdb").symlink_to(real / "initdb")
        (self.bin / "postgres").write_text(
            f'#!/bin/sh\ncase $* in *--single*|*--boot*|*--check*|-V*|*-C*) exec "{real}/postgres" "$@";; '
            'esac\necho "started: $*"\n')
        (self.bin / "postgres").chmod(0o755)
        text = START.read_text()
        for old, new in (("/var/lib/postbus", folder), (SECRETS, folder),
                         ("/usr/lib/postgresql/15/bin", self.bin)):
            assert str(old) in text
            text = text.replace(str(old), str(new))
        self.script = folder / "postgres-start"
        self.script.write_text(text)
        self.script.chmod(0o755)

    def run(self):
        return subprocess.run([*postgres.as_ordinary_user(), "/bin/sh", self.script], text=True,
                              capture_output=True)

    def make(self):
        done = self.run()
        if done.returncode:
            raise SystemExit(done.stderr)
        assert f"started: -D {self.data}" in done.stdout

    def command(self):
        return self.run().stdout.split()


@pytest.fixture(params=[Local, Image])
def way(request):
    with tempfile.TemporaryDirectory(prefix="postbus-data-") as folder:
        postgres.give_to_server(folder)
        yield request.param(pathlib.Path(folder))


def test_made_once(way):
    way.make()
    version, before = way.data / "PG_VERSION", way.data.stat().st_ino
    assert version.exists() and (way.data / "pg_hba.conf").exists()
    way.make()
    assert way.data.stat().st_ino == before


def test_a_cluster_without_our_marker_is_kept(way):
    """Restored by something that leaves out a file it does not know."""
    way.make()
    (way.data / "postbus.ready").unlink(missing_ok=True)
    (way.data / "mail").write_text("all of it")
    way.make()
    assert (way.data / "mail").read_text() == "all of it"


def test_what_is_no_cluster_is_kept(way):
    """Half of a restore, say: a person has to look."""
    way.data.mkdir()
    (way.data / "base").write_text("half of it")
    with pytest.raises(SystemExit) as refused:
        way.make()
    assert str(way.data) in str(refused.value) and "PG_VERSION" in str(refused.value)
    assert (way.data / "base").read_text() == "half of it"


def test_a_first_start_that_broke_off_is_begun_again(way):
    new = way.data.with_name("data.new")
    new.mkdir()
    (new / "PG_VERSION").write_text("15\n")
    postgres.give_to_server(new)
    postgres.give_to_server(new / "PG_VERSION")
    way.make()
    assert not new.exists() and (way.data / "global").exists()


def test_an_empty_folder_is_filled(way):
    way.data.mkdir()
    postgres.give_to_server(way.data)
    way.make()
    assert (way.data / "PG_VERSION").exists()


def test_what_every_start_sets(way):
    """Also for a cluster that an older version made."""
    way.make()
    command = " ".join(way.command())
    for setting in ("log_error_verbosity=terse", "min_wal_size=1GB", "max_wal_size=4GB"):
        assert re.search(rf"(^| )-c {setting}( |$)", command), command


def test_the_server_of_make_run_has_them(product):
    shown = [product.sql(f"SHOW {name}") for name in
             ("log_error_verbosity", "min_wal_size", "listen_addresses", "password_encryption")]
    assert shown == ["terse", "1GB", "", "scram-sha-256"]
