"""A certificate that is not there yet: the true cause is said, and it is served once it is."""
import json
import shutil
import socket
import ssl
import subprocess
import urllib.request

import pytest

from beside import running
from product import BUILD, wait_for

PORTS = {"registrar": 8443, "imap-gateway": 2993, "smtp-ingress": 2465}


@pytest.fixture(scope="module")
def pairs(product, tmp_path_factory):
    """Two certificates with their keys."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("one", "two"):
        subprocess.run([BUILD / "postbusctl", "cert", "--domain", product.domain,
                        "--address", "127.0.0.1", "--certificate", folder / f"{name}.crt",
                        "--key", folder / f"{name}.key"], check=True)
    return folder


def nothing(certificate, key, pairs):
    return certificate, "No such file"


def no_key(certificate, key, pairs):
    shutil.copy(pairs / "one.crt", certificate)
    return key, "No such file"


def rubbish(certificate, key, pairs):
    certificate.write_text("not a certificate\n")
    shutil.copy(pairs / "one.key", key)
    return certificate, "no start line"


def another_key(certificate, key, pairs):
    shutil.copy(pairs / "one.crt", certificate)
    shutil.copy(pairs / "two.key", key)
    return key, "key values mismatch"


def served(port):
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


@pytest.mark.parametrize("begins_with", [nothing, no_key, rubbish, another_key])
@pytest.mark.parametrize("service", PORTS)
def test_a_pair_that_comes_later_is_waited_for(product, pairs, tmp_path, service, begins_with):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    file, cause = begins_with(certificate, key, pairs)
    with running(product, service, ready=False, tls_certificate_file=certificate,
                 tls_key_file=key) as r:
        def missing():
            return {m["what"]: m["reason"] for m in json.loads(r.admin("/readyz"))["missing"]}

        wait_for("the cause is said", lambda: "certificate" in missing())
        assert str(file) in missing()["certificate"] and cause in missing()["certificate"]
        assert not r.is_ready()
        wait_for("in the log, too", lambda: r.logged(f'what="certificate" reason="[^"]*{cause}'))
        with pytest.raises(OSError):
            served(r.port(PORTS[service]))
        if service == "registrar":  # an authority may ask for its proof meanwhile
            robots = f"http://127.0.0.1:{r.port(8080)}/robots.txt"
            wait_for("HTTP", lambda: urllib.request.urlopen(robots, timeout=10).status == 200)
            page = f"http://127.0.0.1:{r.port(8080)}/"
            assert b'href="dclogin:' in urllib.request.urlopen(page, timeout=10).read()
        shutil.copy(pairs / "one.key", key)
        shutil.copy(pairs / "one.crt", certificate)
        wait_for("it is served", lambda: served(r.port(PORTS[service]))
                 == (pairs / "one.crt").read_text(), 60)
        wait_for("ready", r.is_ready)
        assert not r.logged("no certificate is configured")


def test_without_a_certificate_there_is_no_https_and_nothing_is_missed(product):
    """A proxy in front has it."""
    with running(product, "registrar", tls_certificate_file=None, tls_key_file=None) as r:
        assert r.logged("no certificate is configured")
        with pytest.raises(OSError):
            served(r.port(8443))


def test_the_terminal_shows_no_code_that_may_be_wrong(product, tmp_path):
    with running(product, "registrar") as r:
        r.set({"tls_certificate_file": tmp_path / "none.crt"})
        done = subprocess.run([BUILD / "registrar", "--print-invite"], env=r.environment,
                              capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert f"{tmp_path}/none.crt: No such file" in done.stderr


def test_https_port_that_is_taken_when_the_certificate_comes(product, pairs, tmp_path):
    """Said, not ready, and opened once it is free."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    with running(product, "registrar", ready=False, tls_certificate_file=certificate,
                 tls_key_file=key) as r:
        wait_for("the registrar has begun", lambda: r.logged("service.started"))
        with socket.create_server(("0.0.0.0", r.port(8443))):
            shutil.copy(pairs / "one.key", key)
            shutil.copy(pairs / "one.crt", certificate)
            wait_for("the cause", lambda: "cannot be opened" in r.admin("/readyz"))
            assert not r.is_ready()
        wait_for("ready", r.is_ready)
        assert served(r.port(8443)) == (pairs / "one.crt").read_text()
