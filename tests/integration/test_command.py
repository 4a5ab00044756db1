"""A program of the operator's judges messages: its exit code, its words, its limits."""
import contextlib
import os
import pathlib
import re

import pytest

import mail
from beside import Beside, running
from product import wait_for
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

SCRIPT = """#!/bin/sh
cat >"$0.input"
for word; do echo "[$word]"; done >"$0.words"
{ id -u; pwd; export -p; grep NoNewPrivs /proc/self/status; ls /proc/self/fd; ulimit -n; ulimit -v; } >"$0.around" 2>&1
. "$0.does"
"""


class Program:
    def __init__(self, folder):
        self.path = folder / "judge"
        self.path.write_text(SCRIPT)
        self.path.chmod(0o755)
        self.does("exit 0")

    def does(self, script):
        self.file("does").write_text(script)

    def file(self, name):
        return pathlib.Path(f"{self.path}.{name}")

    def saw(self, name):
        return self.file(name).read_bytes().decode()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return Program(tmp_path_factory.mktemp("command"))


@pytest.fixture(scope="module")
def judged(product, program):
    words = (f'{program.path} plain "two words" {{source_ip}} {{source_host}} <{{sender}}> '
             "{rcpts} {msg_id} user={auth_user} $(id) {unknown}")
    with running(product, "smtp-ingress", command=words, command_direction="both",
                 command_seconds=5, command_at_once=1, command_memory="64M",
                 command_codes="1 reject; 2 quarantine; 3 reject 554 5.7.7 by the third; 4 ignore",
                 command_temporary="reject 451 4.7.9 later", environment={"SECRET": "x"}) as r:
        yield r


def incoming(r, user, text=None):
    codes, said = transaction(foreign(r), OUTSIDE, [user], text or mail.encrypted(OUTSIDE))
    return codes[-1], said


def submit(r, user, friend, extra=""):
    to = friend if isinstance(friend, list) else [friend]
    codes, said = transaction(mail.smtp(r, user), user, to, mail.encrypted(user, extra=extra))
    return codes[-1], said


def test_results_under_our_name_are_not_shown(product, program, judged):
    """Somebody else's are, but not among a crowd of forged ones."""
    user = mail.new_account(product)
    host = foreign(judged).ehlo()[1].decode().splitlines()[0]
    forged = f'Authentication-Results: (x) "{host}"; spf=pass smtp.mailfrom=forged.example\r\n'
    other = "AUTHENTICATION-RESULTS: other.example;\r\n dkim=pass header.d=shown.example\r\n"
    for extra, shown in ((forged + other + forged, 1), (101 * forged + other, 0), (other, 1)):
        assert incoming(judged, user, mail.encrypted(OUTSIDE, extra=extra))[0] == 250
        text = program.saw("input")
        assert "forged.example" not in text and text.count("shown.example") == shown
        assert text.startswith("From: ") and "BEGIN PGP MESSAGE" in text
    assert submit(judged, user, mail.new_account(product), extra=forged + other)[0] == 250
    assert "forged.example" not in program.saw("input")


def test_what_it_is_given(product, program, judged):
    user = mail.new_account(product)
    text = mail.encrypted(OUTSIDE, "given@test")
    code, said = incoming(judged, user, text)
    assert code == 250
    queue = re.search(r"queued as (\w+)", said)[1]
    assert program.saw("words").split("\n") == [
        "[plain]", "[two words]", "[127.0.0.1]", "[mx.elsewhere.example]", f"[<{OUTSIDE}>]", f"[{user}]",
        f"[{queue}]", "[user=]", "[$(id)]", "[{unknown}]", ""]
    assert program.saw("input") == text.replace("\r\n", "\n")
    around = program.saw("around").split("\n")
    assert around[:2] == [str(os.getuid()), "/"]
    assert "NoNewPrivs:\t1" in around and not any("SECRET" in line or "POSTBUS" in line for line in around)
    assert [line for line in around if re.fullmatch(r"\d", line)][-4:] == ["0", "1", "2", "3"]  # ls's own
    assert around[-3:] == ["64", "65536", ""]
    wait_for_messages(inbox(product, user), 1)

    friend = mail.new_account(product)
    program.does("exit 3")
    assert submit(judged, user, friend)[0] == 554
    assert f"[user={user}]" in program.saw("words")


def test_it_is_told_of_all_recipients_or_not_asked(product, program, judged):
    """What fits into its words is 128 KiB."""
    user = mail.new_account(product)
    program.does("exit 1")
    domain = ".".join(["d" * 60] * 3)
    some = [f"r{i:03}{'x' * 57}@{domain}" for i in range(600)]
    assert submit(judged, user, some[:500])[0] == 550
    assert program.saw("words").count("xx@") == 500
    program.file("words").unlink()
    assert submit(judged, user, some) == (451, "4.7.9 later")
    assert not program.file("words").exists()


CASES = [("exit 0", 250, ""), ("exit 4", 250, ""), ("exit 2", 250, ""),
         ("exit 1", 550, "5.7.1 Message rejected due to a local policy"),
         ("exit 3", 554, "5.7.7 by the third"),
         ("exit 5", 451, "4.7.9 later"),
         ("exec /nonexistent", 451, "4.7.9 later"),
         ("kill -9 $$", 451, "4.7.9 "),
         ("exec yes", 451, "4.7.9 "),
         ("echo no header; exit 0", 451, "4.7.9 "),
         ("printf 'X-A: 1\\n\\nX-B: 2\\n'; exit 0", 250, ""),
         ("exec dd if=/dev/zero of=/dev/null bs=200M count=1", 550, "")]


def test_each_end_has_its_reply(product, program, judged):
    user = mail.new_account(product)
    for script, code, text in CASES:
        program.does(script)
        got, said = incoming(judged, user)
        assert (got, said[:len(text)]) == (code, text), script
    assert judged.metric('postbus_smtp_quarantined_total{check="command"}') == 1
    assert judged.metric("postbus_smtp_waiting_messages") == 0


def test_what_it_writes_stands_before_the_message(product, program, judged):
    user = mail.new_account(product)
    program.does("printf 'X-First: 1\\nX-Second: a\\n b\\n'")
    text = mail.encrypted(OUTSIDE, "fields@test")
    assert incoming(judged, user, text)[0] == 250
    at = inbox(product, user)
    wait_for_messages(at, 1)
    head, body = at.fetch("1", "(RFC822)")[1][0][1].split(b"\r\n\r\n", 1)
    assert head.split(b"\r\n")[1:4] == [b"X-First: 1", b"X-Second: a", b" b"]
    assert body.decode() == text.split("\r\n\r\n", 1)[1]
    program.does("echo 'From: <a@b.example>'")
    assert incoming(judged, user)[0] == 500


def processes(word):
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (p / "cmdline").read_bytes() and "State:\tZ" not in (p / "status").read_text():
                found.append(p)
    return found


def test_one_that_does_not_end_is_killed_with_its_children(product, program, judged):
    user = mail.new_account(product)
    program.does("sleep 7777 & sleep 7778")
    assert incoming(judged, user) == (451, "4.7.9 later")
    wait_for("none is left", lambda: not processes("777"))


def test_who_hangs_up_ends_it(product, program):
    """And whoever waits for a process runs next."""
    user = mail.new_account(product)
    with running(product, "smtp-ingress", command=str(program.path), command_at_once=1,
                 command_seconds=300, judge_seconds=300) as r:
        program.does("sleep 7779")
        client = foreign(r)
        client.mail(OUTSIDE)
        client.rcpt(user)
        client.docmd("DATA")
        client.send(mail.encrypted(OUTSIDE).encode() + b".\r\n")
        wait_for("it runs", lambda: processes("7779"))
        assert submit(r, user, user)[0] == 250  # nobody judges it
        program.does("exit 1")
        client.close()
        assert incoming(r, user)[0] == 550
        wait_for("none is left", lambda: not processes("7779"))


def test_bad_commands(product):
    for option, value, why in [("command", "true", "whole path"), ("command", '/bin/x "a', "no end"),
                               ("command_codes", "0 reject", "exit code, 1 to 255"),
                               ("command_codes", "1 maybe", "must be off, ignore")]:
        said = Beside(product, "smtp-ingress", {option: value}).refuses_to_start()
        assert option in said and why in said
