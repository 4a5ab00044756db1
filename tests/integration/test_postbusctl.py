"""postbusctl config: what an operator is told about a configuration before anything starts."""
import os
import subprocess

import pytest

from product import BUILD

GOOD = "[params]\n# who we are\nmail_domain = chat.example\ncluster_secret_file = {secret}\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "secret").write_text("0123456789abcdef" * 4 + "\n")
    (tmp_path / "short").write_text("too short\n")
    return tmp_path


def postbusctl(*words, **environment):
    """Status, standard output, standard error."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("POSTBUS_")}
    done = subprocess.run([BUILD / "postbusctl", *words], env={**clean, **environment}, text=True,
                          capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def config(verb, files, text, **environment):
    file = files / "postbus.ini"
    file.write_text(text.format(secret=files / "secret", short=files / "short", folder=files))
    return postbusctl("config", verb, "--config", file, **environment)


def test_a_good_file(files):
    assert config("check", files, GOOD) == (0, "the configuration is good\n", "")
    assert config("check", files, GOOD + "postmaster_account = ann@chat.example\n"
                  "replace_sender = @far.example: ann@chat.example\n")[0] == 0
    assert postbusctl("config", "check", POSTBUS_CONFIG=str(files / "postbus.ini"))[0] == 0
    # All of it may come from the environment.
    assert postbusctl("config", "check", POSTBUS_MAIL_DOMAIN="chat.example",
                      POSTBUS_CLUSTER_SECRET_FILE=str(files / "secret"))[0] == 0


def test_keys_of_the_relay_are_mentioned_once(files):
    status, out, err = config("check", files, GOOD + "mailboxes_dir = /home/vmail\n")
    assert (status, out) == (0, "the configuration is good\n")
    assert err.count("mailboxes_dir") == 1 and "mail is stored in PostgreSQL" in err


@pytest.mark.parametrize("text, where, why", [
    (GOOD + "max_user_send_per_minute = many\n", ":5: max_user_send_per_minute", "whole number"),
    (GOOD + "delete_mails_after = 31\n", ":5: delete_mails_after", "1 to 30"),
    (GOOD + "mail_doman = x.example\n", ":5: mail_doman", "no such option"),
    (GOOD + "just words\n", ":5:", "neither a comment nor `key = value`"),
    (GOOD + "[other]\n", ":5:", "the only section is [params]"),
    (GOOD + "mail_domain = x.example\n", ":5:", "stands in the file before"),
    (GOOD + "username_min_length = 20\nusername_max_length = 10\n", "username_min_length",
     "above username_max_length"),
    (GOOD + "tls_key_file = /k\n", "tls_key_file", "only one is set"),
    ("[params]\ncluster_secret_file = {secret}\n", "mail_domain", "is missing"),
    ("[params]\nmail_domain = chat.example\n", "cluster_secret_file", "is missing"),
    ("[params]\nmail_domain = chat.example\ncluster_secret_file = {folder}/none\n",
     ":3: cluster_secret_file", "No such file"),
    ("[params]\nmail_domain = chat.example\ncluster_secret_file = {short}\n", "cluster_secret",
     "32"),
    (GOOD + "database_password_file = {folder}/none\n", ":5: database_password_file",
     "No such file"),
    (GOOD + "replace_sender = a@far.example: b@far.example; x: y@far.example, z\n",
     "replace_sender: row 2: z", "is replaced by one"),
    (GOOD + "replace_sender = @far.example: ann@chat.example\n", "replace_sender: row 1: ann@chat.example",
     "only postmaster_account and abuse_account"),
])
def test_what_is_wrong_is_named(files, text, where, why):
    status, out, err = config("check", files, text)
    assert status == 1 and out == "" and err.startswith("postbusctl: smtp-ingress: ")
    assert where in err and why in err and err.count("\n") == 1


@pytest.mark.parametrize("service, text, why", [
    ("smtp-ingress", "listen_address = localhost\n", ":5: listen_address: not an IP address"),
    ("smtp-ingress", "public_host = https://chat.example\n", ":5: public_host: neither a host name"),
    ("smtp-ingress", "dns_resolver = ns.example\n", ":5: dns_resolver: neither root nor"),
    ("smtp-ingress", "postmaster_account = a@elsewhere.example\n",
     "postmaster_account is not an account of mail_domain"),
    ("smtp-ingress", "smtp_port = 2587\n", "smtp_port and submission_port are both 2587"),
    ("smtp-ingress", "tls_certificate_file = {folder}/none\ntls_key_file = {secret}\n",
     "tls_certificate_file: cannot read {folder}/none: No such file"),
    ("smtp-ingress", "tls_certificate_file = {secret}\ntls_key_file = {folder}/none\n",
     "tls_key_file: cannot read {folder}/none: No such file"),
    ("remote-sender", "tls_ca_file = {folder}/none\n", "tls_ca_file: cannot read"),
    ("smtp-ingress", "routes = chat.example\n",
     ":5: routes: chat.example: not domain=smtp://host:port; the domain * means all"),
    ("smtp-ingress", "routes = *=smtp://relay.example\n",
     ":5: routes: *=smtp://relay.example: it has no port from 1 to 65535; write domain=smtp:"),
    ("smtp-ingress", "routes = *=pigeon://relay.example:587\n",
     "there is no transport pigeon; known are: smtp"),
    ("smtp-ingress", "routes = *=smtp://me:secret@relay.example:587\n",
     "no user, password or path belongs there; write domain=smtp://host:port"),
    ("smtp-ingress", "routes = *=smtp://one:25,*=smtp://two:25\n",
     "the domain has two routes; keep one of them"),
    ("registrar", "http_port = 8443\n", "http_port and https_port are both 8443"),
    ("registrar", "www_folder = {folder}/none\n", "www_folder: cannot read {folder}/none: No such"),
    ("registrar", "www_folder = {secret}\n", "www_folder: cannot read {secret}: it is not a folder"),
])
def test_what_a_service_would_stumble_over_is_named_before(files, service, text, why):
    """By postbusctl for all services, and by the service itself."""
    why = why.format(secret=files / "secret", folder=files)
    status, out, err = config("check", files, GOOD + text)
    assert status == 1 and out == "" and err.count("\n") == 1
    assert err.startswith(f"postbusctl: {service}: ") and why in err
    clean = {k: v for k, v in os.environ.items() if not k.startswith("POSTBUS_")}
    done = subprocess.run([BUILD / service, "--check-config", "--config", files / "postbus.ini"],
                          env=clean, text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and why in done.stderr


def test_a_file_that_is_not_there(files):
    status, _, err = postbusctl("config", "check", "--config", files / "none")
    assert status == 1 and "cannot read" in err and "No such file" in err


def test_the_environment_is_checked_too(files):
    status, _, err = config("check", files, GOOD, POSTBUS_MAX_MESAGE_SIZE="1000000")
    assert status == 1 and "environment: POSTBUS_MAX_MESAGE_SIZE: there is no such option" in err
    status, _, err = config("check", files, GOOD, POSTBUS_CLUSTER_SECRET="x" * 40)
    assert status == 1 and "leaks" in err


@pytest.mark.parametrize("words, why", [
    (["config"], "check, print or reference"), (["config", "chek"], "not chek"),
    (["config", "check", "--confg", "x"], "no such argument"),
    (["config", "check", "--config"], "needs a value"), (["konfig"], "no such verb"),
])
def test_misuse(words, why):
    status, out, err = postbusctl(*words)
    assert (status, out) == (2, "") and why in err


def test_the_values_in_effect_are_printed_and_read_back(files):
    """Without secrets; what is printed is itself a configuration."""
    text = GOOD + "delete_mails_after = 3\nprivacy_postal = Jo Doe\n  Street 1\n"
    status, out, err = config("print", files, text, POSTBUS_MAX_RECIPIENTS="77")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    for line in ("mail_domain = chat.example", "delete_mails_after = 3", "max_recipients = 77",
                 "privacy_postal = Jo Doe", "    Street 1", "imaps_port = 2993"):
        assert line in lines, out
    assert "# cluster_secret is not read by postbusctl" in lines
    assert (files / "secret").read_text().strip() not in out
    (files / "again.ini").write_text(out)
    assert postbusctl("config", "print", "--config", files / "again.ini") == (0, out, "")
