"""Options of a product that make run starts, and what it says of wrong ones: one sentence."""
import os
import pathlib
import subprocess

import pytest

import mail
from beside import postgres, run  # deploy/local
from product import BUILD, Product, wait_for
from test_run import OFFSET, Make, alive, exchange_mail, start_in_vain


def in_effect(product, service):
    """As the running process reads its options."""
    words = pathlib.Path(f"/proc/{product.pid(service)}/environ").read_bytes().split(b"\0")
    done = subprocess.run([BUILD / service, "--check-config"], check=True, capture_output=True, text=True,
                          env=dict(os.fsdecode(w).split("=", 1) for w in words if w))
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_options_reach_every_service(tmp_path, folder):
    """The environment comes before the file, and both before what run.py thinks good."""
    (folder / "postbus.ini").write_text(
        "# by file\n[params]\nlog_level = debug\ndrain_seconds = 3\nmax_load_1m = 1000\n"
        "mail_domain: _file.localhost\nprivacy_postal = A street\n    a town\n")
    # The last two are for clients of another server.
    variables = {"POSTBUS_DRAIN_SECONDS": "4", "POSTBUS_PUBLIC_HTTPS_PORT": "443",
                 "POSTBUS_MAX_USER_SEND_BURST_SIZE": "77", "PGPORT": "7777", "PGHOST": "/nowhere"}
    with Product(domain="", keep=tmp_path, environment=variables) as p:
        for service in run.SERVICES:
            options = in_effect(p, service)
            assert [options[n] for n in ("log_level", "drain_seconds", "mail_domain")] == \
                ["debug", "4", "_file.localhost"], service
        assert in_effect(p, "smtp-ingress")["max_user_send_burst_size"] == "77"
        options = in_effect(p, "registrar")
        assert options["max_load_1m"] == "1000" and options["privacy_postal"] == "A street"
        assert options["max_user_send_per_minute"] == "600"  # nobody says otherwise
        assert any("postbus ready: https://127.0.0.1:443/ (_file.localhost)" in line
                   for line in p.output)
        p.domain = "_file.localhost"
        assert mail.new_account(p)


def test_options_of_a_file_elsewhere(tmp_path):
    """DOMAIN= comes before all."""
    (tmp_path / "my.ini").write_text("[params]\nmail_domain = _file.localhost\nlog_format = json\n")
    with Product(keep=tmp_path, environment={"POSTBUS_CONFIG": str(tmp_path / "my.ini")}) as p:
        options = in_effect(p, "janitor")
        assert [options[n] for n in ("mail_domain", "log_format")] == [p.domain, "json"]


def test_a_certificate_of_somebody_is_used(tmp_path, folder):
    """No other one is made beside it."""
    subprocess.run([BUILD / "postbusctl", "cert", "--domain", "mine.example", "--certificate",
                    tmp_path / "c", "--key", tmp_path / "k"], check=True)
    (folder / "postbus.ini").write_text(f"tls_external_cert_and_key = {tmp_path}/c {tmp_path}/k\n")
    with Product(keep=tmp_path) as p:
        assert in_effect(p, "imap-gateway")["tls_certificate_file"] == str(tmp_path / "c")
        assert not (folder / "secrets/tls.crt").exists()


THERE_IS_NONE = "there is no such option; --help shows all"
OURS = "on one machine this is set for each process; leave it out"


@pytest.mark.parametrize("name, sentence", [
    ("max_mesage_size", THERE_IS_NONE), ("smtp_port", OURS), ("database_host", OURS),
    ("queue_worker_event_peers", OURS)])
def test_names_that_do_not_exist_and_those_that_are_ours(folder, name, sentence):
    said = start_in_vain("--run", folder, **{f"POSTBUS_{name.upper()}": "1"})
    assert said.startswith(f"environment: POSTBUS_{name.upper()}: {sentence}")
    (folder / "postbus.ini").write_text(f"[params]\n{name} = 1\n")
    said = start_in_vain("--run", folder)
    assert f"{folder}/postbus.ini" in said and f": {name}: {sentence}" in said
    assert said.count("\n") == 1 and {f.name for f in folder.iterdir()} == {"postbus.ini", "supervisor.lock"}


@pytest.mark.parametrize("arguments, sentence", [
    (["--domain", "a b'c"], "mail_domain: not a domain"),
    (["--set", "max_recipients=none"], "max_recipients: not a whole number"),
    (["--set", "max_recipients"], "'max_recipients' is not NAME=VALUE"),
    (["--replicas", "registrar=two"], "'registrar=two' is not SERVICE=COUNT"),
    (["--replicas", "sender=2"], "'sender=2' is not SERVICE=COUNT"),
    (["--build", "/nowhere"], "/nowhere holds no postbusctl; run: make")])
def test_one_sentence_before_anything_is_made(folder, arguments, sentence):
    said = start_in_vain("--run", folder, *arguments)
    assert sentence in said
    assert {f.name for f in folder.iterdir()} <= {"supervisor.lock"}


@pytest.mark.parametrize("name", ["", "x ", "x\ny"])
def test_names_of_folders_that_no_option_can_hold(tmp_path, name):
    said = start_in_vain(f"--run={tmp_path / name if name else name}")
    assert "give a folder whose name neither ends with a blank" in said
    assert not list(tmp_path.iterdir())


def test_any_other_name_of_a_folder(tmp_path):
    """A comma would be the next server for PostgreSQL's clients; 077 shuts everybody out."""
    name = """my 'mail', "$(x) & $y; * \\ ü"""
    with Make(tmp_path, name=name, prefix=["sh", "-c", 'umask 077; exec "$@"', "sh"]) as make:
        assert (make.run / "postgres/PG_VERSION").exists()
        exchange_mail(make)
        make.end(run.signal.SIGINT)
    assert [f.name for f in tmp_path.iterdir() if f.is_dir()] == [name]


def test_a_domain_with_blanks_and_quotes(tmp_path):
    make = Make(tmp_path, domain="""a 'b' "c" $d""")
    make.process.wait(60)
    assert "mail_domain: not a domain" in make.output() and "Traceback" not in make.output()


def test_a_short_secret_is_one_sentence(folder):
    (folder / "secrets").mkdir()
    (folder / "secrets/cluster_secret").write_text("short\n")
    said = start_in_vain("--run", folder)
    assert said.endswith("secrets/cluster_secret: cluster_secret: 5 bytes long, must be 32 to 1024\n")
    assert said.count("\n") == 1 and not (folder / "postgres").exists()


def test_a_configuration_that_is_spoiled_later(tmp_path, folder):
    """The next process that starts refuses it; it is not started for ever."""
    (folder / "postbus.ini").write_text("drain_seconds = 2\n")
    with Product(keep=tmp_path) as p:
        (folder / "postbus.ini").write_text("drain_seconds = never\n")
        pids = [p.pid(name) for name in ("postgres", *run.SERVICES)]
        p.kill("janitor")
        assert p.process.wait(60) != 0
        wait_for("the last words", lambda: "janitor: " in p.output[-1])
        assert "postbus.ini:1: drain_seconds: not a whole number" in p.output[-1]
        assert sum("starting it again" in line for line in p.output) == 1
        assert not any(map(alive, pids)) and "Traceback" not in "".join(p.output)


def test_a_database_that_does_not_start(tmp_path, folder):
    with Product(keep=tmp_path):
        pass
    with open(folder / "postgres/postgresql.conf", "a") as f:
        f.write("shared_memory = much\n")
    said = start_in_vain("--run", folder, "--port-offset", str(OFFSET))
    assert said.startswith("PostgreSQL stopped while starting, and said: ")
    assert said.endswith(f"; see {folder}/log/postgres.log\n") and said.count("\n") == 1


def test_a_database_that_cannot_be_made(folder):
    (folder / "postgres.new").write_text("in the way")
    said = start_in_vain("--run", folder, "--port-offset", str(OFFSET))
    assert said.count("\n") == 1 and f"{folder}/postgres.new" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="for root")
def test_root_that_can_become_nobody(tmp_path, folder):
    for name in ("setpriv", "unshare"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    said = start_in_vain("--run", folder, "--port-offset", str(OFFSET),
                         PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert said.startswith("PostgreSQL does not run as root, and root can neither become the user")
    assert said.endswith("run this as an ordinary user\n")


@pytest.mark.skipif(not postgres.server_user(), reason="for root that can be another user")
def test_data_of_a_root_that_could_not(tmp_path, folder):
    """As where only user namespaces can be had, or by an older version."""
    with Product(keep=tmp_path) as p:
        user = mail.new_account(p)
    subprocess.run(["chown", "-R", "root:root", folder / "postgres"], check=True)
    with Product(keep=tmp_path) as p:
        assert p.sql(f"SELECT count(*) FROM account WHERE addr = '{user}'") == "1"
    subprocess.run(["chown", "nobody", folder / "postgres"], check=True)
    said = start_in_vain("--run", folder, "--port-offset", str(OFFSET))
    assert "postgres belongs to another user" in said and said.count("\n") == 1
