"""make run, as a person uses it."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import mail
from product import ROOT, BUILD, wait_for

OFFSET = 9000


class Make:
    def __init__(self, folder, offset=OFFSET, *variables):
        self.run = pathlib.Path(folder) / "run"
        self.file = pathlib.Path(folder) / "out"
        self.offset, self.domain = offset, "_make.localhost"
        with open(self.file, "w") as out:
            self.process = subprocess.Popen(
                ["make", "run", f"RUN={self.run}", f"PORT_OFFSET={offset}",
                 f"DOMAIN={self.domain}", f"MODE={BUILD.name}", *variables], cwd=ROOT, stdout=out,
                stderr=out, start_new_session=True)

    def output(self):
        return self.file.read_text()

    def wait_ready(self):
        wait_for("postbus ready", lambda: "postbus ready" in self.output(), 300)

    def port(self, base, replica=0):
        return base + self.offset

    def pids(self):
        return [int(f.read_text()) for f in self.run.glob("*.pid")]

    def end(self, number, group=False):
        pids = self.pids()
        assert len(pids) == 8  # six services, PostgreSQL and the supervisor
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(60)
        wait_for("no process is left", lambda: not any(map(alive, pids)))


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_start_stop_and_start_again():
    with tempfile.TemporaryDirectory(prefix="postbus-make-") as folder:
        make = Make(folder)
        make.wait_ready()
        line = re.search(r"^postbus ready.*$", make.output(), re.M)[0]
        assert f"https://127.0.0.1:{8443 + OFFSET}/" in line
        wait_for("a QR code", lambda: "\u2588" in make.output())
        user = mail.new_account(make)
        client = mail.imap(make, user)
        client.append("INBOX", None, None, mail.encrypted(user, "kept@test").encode())
        secret = (make.run / "secrets/cluster_secret").read_text()
        certificate = (make.run / "secrets/tls.crt").read_text()

        gateway = int((make.run / "imap-gateway.pid").read_text())
        os.kill(gateway, signal.SIGKILL)
        wait_for("the gateway is started again",
                 lambda: int((make.run / "imap-gateway.pid").read_text()) != gateway)
        make.end(signal.SIGINT)

        make = Make(folder)
        make.wait_ready()
        client = mail.imap(make, user)
        client.select("INBOX")
        assert mail.message_ids(client) == ["kept@test"]
        assert secret == (make.run / "secrets/cluster_secret").read_text()
        assert certificate == (make.run / "secrets/tls.crt").read_text()
        make.end(signal.SIGTERM)

        make = Make(folder)
        make.wait_ready()
        make.end(signal.SIGINT, group=True)


def test_the_terminal_code_onboards():
    """zbarimg reads what the terminal shows; the text names host, ports and a password."""
    with tempfile.TemporaryDirectory(prefix="postbus-make-") as folder:
        make = Make(folder)
        try:
            make.wait_ready()
            wait_for("the code", lambda: make.output().count("\u2588") > 50)
            png = pathlib.Path(folder) / "terminal.png"
            subprocess.run(["/usr/bin/python3", str(ROOT / "tests/integration/terminal_png.py"),
                            str(png)], input=make.output(), text=True, check=True)
            text = subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", str(png)], check=True,
                                  capture_output=True, text=True).stdout
            assert text.startswith("dclogin:") and f"ip={2993 + OFFSET}" in text
            assert f"sp={2465 + OFFSET}" in text and "ih=127.0.0.1" in text
        finally:
            make.end(signal.SIGTERM)
