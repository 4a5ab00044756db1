"""The admin API and its client: accounts, tokens, HTTPS, and what happens when the database
or somebody else goes away in the middle."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

import mail
from beside import locked, running
from product import BUILD, Product, free_port, wait_for
from test_smtp_rules import OUTSIDE, foreign, inbox, transaction, wait_for_messages

PATH = "/api/v1/accounts/"
TOKEN_FILE = "secrets/api_token"
# What api_pool.h says, and something for a slow machine.
ANSWERED_WITHIN_S = 40


def postbusctl(product, *words, **environment):
    """As the operator of this server calls it: status, standard output, standard error."""
    done = subprocess.run([product.run / "postbusctl", *words], text=True, capture_output=True,
                          env={**os.environ, **environment}, timeout=90)
    return done.returncode, done.stdout, done.stderr


def ask(port, path, token, method="GET", timeout=ANSWERED_WITHIN_S):
    """Status, headers, what the JSON says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def token_of(product):
    return (product.run / TOKEN_FILE).read_text().strip()


def fails(result, status, *words):
    assert result[0] == status and result[1] == "", result
    assert result[2].startswith("postbusctl: ") and result[2].count("\n") == 1, result
    for word in words:
        assert word in result[2], result


def test_an_account_as_it_is_in_the_database(product):
    user = mail.new_account(product)
    with mail.smtp(product, user) as client:
        client.sendmail(user, [user], mail.encrypted(user))
    messages = f"SELECT nmsg FROM mailbox m JOIN account a ON m.id = a.id << 18 WHERE a.addr = '{user}'"
    wait_for("the message", lambda: product.sql(messages) == "1")
    status, out, err = postbusctl(product, "account", "show", user, "--json")
    assert (status, err) == (0, ""), err
    account = json.loads(out)
    number, used, day = product.sql(
        "SELECT a.id, m.bytes, to_char(to_timestamp(a.created_day * 86400.0) AT TIME ZONE 'UTC', "
        f"'YYYY-MM-DD') FROM account a JOIN mailbox m ON m.id = a.id << 18 WHERE a.addr = '{user}'"
    ).split("|")
    assert account == {
        "address": user, "id": number, "state": "active", "encrypted_only": True, "flags": [],
        "quota_bytes": 500 << 20, "quota_is_own": False, "used_bytes": int(used), "messages": 1,
        "mailboxes": 1, "created_day": day, "last_seen_day": day}
    assert int(used) > 0
    # For people, and however the address is written.
    status, out, err = postbusctl(product, "account", "show", user.upper())
    assert (status, err) == (0, ""), err
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    assert lines["address"].strip() == user and lines["id"].strip() == number
    assert lines["quota is own"].strip() == "no" and lines["flags"].strip() == "-"


@pytest.mark.parametrize("address", ["nobodyyyy@{}", "x@elsewhere.example", "a/b@{}", "%@{}", "ä@{}", ".."])
def test_nobody_has_the_address(product, address):
    fails(postbusctl(product, "account", "show", address.format(product.domain)), 3,
          "No account has this address", f"NAME@{product.domain}", "404")


def test_what_goes_wrong_is_told_and_has_its_status(product, tmp_path):
    show = "account", "show", "x@" + product.domain
    (tmp_path / "short").write_text("word\n")
    (tmp_path / "wrong").write_text("0" * 64 + "\n")
    nobody = f"http://127.0.0.1:{free_port()}"
    fails(postbusctl(product, *show, "--api", nobody), 1, nobody, "is the registrar running")
    fails(postbusctl(product, *show, "--token-file", tmp_path / "none"), 4, "No such file")
    fails(postbusctl(product, *show, "--token-file", tmp_path / "short"), 4, "holds no token")
    fails(postbusctl(product, *show, "--token-file", tmp_path / "wrong"), 4,
          "This token is not valid", "401", str(tmp_path / "wrong"))
    fails(postbusctl(product, *show, "--api", "ftp://127.0.0.1"), 1, "http:")
    # 192.0.2.0/24 is nobody's; the token must not go there in the clear.
    fails(postbusctl(product, *show, "--api", "http://192.0.2.1"), 1, "in the clear")
    # Somebody else's server: here the registrar's pages.
    fails(postbusctl(product, *show, "--api", f"http://127.0.0.1:{product.port(8080)}"), 1,
          "no admin API of Postbus", "404")
    for words in (["account"], ["account", "shw"], ["account", "show"], [*show, "y"],
                  [*show, "--tok", "x"], ["token"], ["token", "create"], ["token", "create", "a b"]):
        fails(postbusctl(product, *words), 2)


def test_who_has_no_token_is_told_how_to_get_one(product):
    done = subprocess.run([BUILD / "postbusctl", "account", "show", "x@y"], text=True,
                          capture_output=True, env={"PATH": os.environ["PATH"]}, timeout=60)
    fails((done.returncode, done.stdout, done.stderr), 4, "--token-file", "postbusctl token create")


def test_tokens_are_made_listed_and_revoked(product, tmp_path):
    user, file = mail.new_account(product), tmp_path / "token"
    show = "account", "show", user, "--token-file", file
    assert postbusctl(product, "token", "create", "backup.1", "--file", file) == (0, "", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert postbusctl(product, *show)[0] == 0
    # The database does not know it.
    assert product.sql("SELECT count(*) FROM api_token WHERE position(convert_to("
                       f"'{file.read_text().strip()}', 'UTF8') IN hash) > 0") == "0"
    fails(postbusctl(product, "token", "create", "backup.1"), 1, "already")
    fails(postbusctl(product, "token", "create", "other", "--file", file), 1, "File exists")
    status, out, _ = postbusctl(product, "token", "create", "printed")
    assert status == 0
    (tmp_path / "printed").write_text(out)
    assert postbusctl(product, "account", "show", user, "--token-file", tmp_path / "printed")[0] == 0
    rows = {line.split()[0]: line.split()[1:] for line in
            postbusctl(product, "token", "list")[1].splitlines()[1:]}
    today = product.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
    assert rows["backup.1"] == [today, today, "-"] and "other" not in rows
    assert postbusctl(product, "token", "revoke", "backup.1") == (0, "", "")
    fails(postbusctl(product, *show), 4, "not valid")
    fails(postbusctl(product, "token", "revoke", "backup.1"), 3, "backup.1")
    assert postbusctl(product, "account", "show", user, "--token-file", tmp_path / "printed")[0] == 0
    assert postbusctl(product, "token", "revoke", "printed")[0] == 0


def test_a_token_that_cannot_be_told_is_not_made(product):
    with open("/dev/full", "w") as full:
        done = subprocess.run([product.run / "postbusctl", "token", "create", "untold"], text=True,
                              stdout=full, stderr=subprocess.PIPE, timeout=90)
    fails((done.returncode, "", done.stderr), 1, "cannot be told", "No space left")
    assert product.sql("SELECT count(*) FROM api_token WHERE name = 'untold'") == "0"


@contextlib.contextmanager
def at_commit(product, statement):
    """What happens when a token's transaction is about to commit."""
    product.sql(f"CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; "
                "RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON api_token "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()")
    try:
        yield
    finally:
        product.sql("DROP FUNCTION at_commit CASCADE")


def test_a_token_is_told_before_it_is_valid_and_kept_while_it_may_be(product, tmp_path):
    file, create = tmp_path / "token", ("token", "create", "late")
    with at_commit(product, "RAISE EXCEPTION USING ERRCODE = '40001'"):
        status, out, err = postbusctl(product, *create)
        assert status == 1 and out.startswith("postbus_") and "no token was made" in err, err
        fails(postbusctl(product, *create, "--file", file), 1, "no token was made")
        assert not file.exists()
    with at_commit(product, "PERFORM pg_terminate_backend(pg_backend_pid())"):
        fails(postbusctl(product, *create, "--file", file), 1, "may be valid or not", "token list")
        assert file.exists()
    assert product.sql("SELECT count(*) FROM api_token WHERE name = 'late'") == "0"


def test_the_operators_name_is_the_operators(product):
    fails(postbusctl(product, "token", "create", "operator"), 2, "--operator-token", "another name")


def migrate(product, file):
    return postbusctl(product, "migrate", "--operator-token", file)


def test_the_operators_token_comes_with_the_database(product, tmp_path):
    """Made where there is none, taken where there is one, and never brought back."""
    user, file = mail.new_account(product), tmp_path / "token"
    assert stat.S_IMODE((product.run / TOKEN_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((product.run / "postbusctl").stat().st_mode) == 0o700
    given = (product.run / TOKEN_FILE).read_text()
    try:
        assert migrate(product, file)[0] == 0
        show = "account", "show", user, "--token-file"
        assert postbusctl(product, *show, file)[0] == 0
        first = file.read_text()
        assert migrate(product, file)[0] == 0 and file.read_text() == first
        # It has taken the place of the one before.
        fails(postbusctl(product, *show, product.run / TOKEN_FILE), 4)
        (tmp_path / "own").write_text("abcdefghijklmnopqrstuvwxyz0123456789")
        assert migrate(product, tmp_path / "own")[0] == 0
        assert postbusctl(product, *show, tmp_path / "own")[0] == 0
        status, out, _ = migrate(product, file)
        assert status == 0 and "was revoked and stays so" in out
        fails(postbusctl(product, *show, file), 4)
    finally:
        product.sql("DELETE FROM api_token")
        (product.run / TOKEN_FILE).write_text(given)
        assert migrate(product, product.run / TOKEN_FILE)[0] == 0
    assert postbusctl(product, "account", "show", user)[0] == 0


def test_https_is_for_who_wants_it_and_verified(product, tmp_path):
    user = mail.new_account(product)
    ca = product.run / "secrets" / "tls.crt"
    subprocess.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
                   f"-subj /CN=other -keyout {tmp_path}/k -out {tmp_path}/other.crt".split(),
                   check=True, capture_output=True)
    show = "account", "show", user, "--json"
    with running(product, "registrar", api_on_https="true") as r:
        url = f"https://127.0.0.1:{r.port(8443)}"
        status, out, err = postbusctl(product, *show, "--api", url, "--ca", ca)
        assert (status, err) == (0, "") and json.loads(out)["address"] == user
        # All of it may stand in the options.
        options = {"mail_domain": product.domain, "api_url": url + "/", "api_ca_file": ca,
                   "api_token_file": product.run / TOKEN_FILE}
        file = tmp_path / "postbus.ini"
        file.write_text("".join(f"{name} = {value}\n" for name, value in options.items()))
        done = subprocess.run([BUILD / "postbusctl", *show, "--config", file], capture_output=True,
                              text=True, env={"PATH": os.environ["PATH"]}, timeout=60)
        assert (done.returncode, done.stderr) == (0, "") and json.loads(done.stdout)["address"] == user
        for wrong in ([], ["--ca", tmp_path / "other.crt"]):
            fails(postbusctl(product, *show, "--api", url, *wrong), 1, "certificate", "api_ca_file")
        fails(postbusctl(product, *show, "--api", url, "--ca", tmp_path / "none"), 1, "--ca")
        fails(postbusctl(product, *show, "--api", f"https://localhost:{r.port(8443)}", "--ca", ca), 1,
              "certificate")
    # Only by option.
    url = f"https://127.0.0.1:{product.port(8443)}"
    fails(postbusctl(product, *show, "--api", url, "--ca", ca), 1, "no admin API of Postbus", "404")


def test_wrong_tokens_cost_a_network_and_nobody_else(product):
    """Behind a proxy that names who came; what private addresses send is not counted."""
    user, token = mail.new_account(product), token_of(product)

    def status(client, word):
        connection = http.client.HTTPConnection("127.0.0.1", r.port(8080), timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", PATH + user, headers={
                "X-Forwarded-For": client, "X-Forwarded-Proto": "https",
                "Authorization": f"Bearer {word}"})
            answer = connection.getresponse()
            return answer.status, answer.headers["Retry-After"]

    with running(product, "registrar", api_on_https="true", trusted_proxies="127.0.0.1") as r:
        for _ in range(200):
            last, retry = status("203.0.113.5", "0" * 64)
            if last != 401:
                break
        assert last == 429 and int(retry) >= 1
        assert status("203.0.113.5", token)[0] == 429
        assert status("198.51.100.7", token)[0] == 200
        assert {status("10.0.0.1", "0" * 64)[0] for _ in range(200)} == {401}


@pytest.mark.parametrize("option, waiting", [(20, 20), (10000, 64)])
def test_a_thousand_at_once_are_answered_or_told_to_come_again(product, option, waiting):
    """With tables that nobody can read for a while: who waits is bounded, the others are told
    so at once, and probes come through."""
    user, token = mail.new_account(product), token_of(product)
    with running(product, "registrar", worker_threads=2, job_queue_max=option) as r:
        port = r.ports["admin_port"]
        assert ask(port, PATH + user, token)[0] == 200
        with concurrent.futures.ThreadPoolExecutor(1000) as pool, contextlib.ExitStack() as stack:
            lock = stack.enter_context(contextlib.ExitStack())
            lock.enter_context(locked(product, "account"))
            asked = [pool.submit(ask, port, PATH + user, token) for _ in range(1000)]
            queued = []

            def are_most_refused():
                queued.append(r.metric('postbus_pool_queued_jobs{pool="api"}'))
                return sum(f.done() for f in asked) >= 900
            wait_for("most are refused", are_most_refused, 60)
            assert 0 < max(queued) <= waiting and "ok" in r.admin("/livez")
            lock.close()
            answers = [f.result() for f in asked]
        counts = {s: sum(a[0] == s for a in answers) for s in {a[0] for a in answers}}
        assert set(counts) == {200, 503} or set(counts) == {503}, counts
        for status, headers, said in answers:
            assert status == 200 or (said["code"] == "unavailable" and int(headers["Retry-After"]) >= 1)
        # Nothing stays behind.
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            later = list(pool.map(lambda _: ask(port, PATH + user, token)[0], range(200)))
        assert later == [200] * 200


def test_who_goes_away_meanwhile_does_no_harm(product):
    user, token = mail.new_account(product), token_of(product)
    request = f"GET {PATH}{user} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with running(product, "registrar", worker_threads=2, api_on_https="true") as r:
        with locked(product, "account"):
            for i in range(40):
                port = r.port(8443) if i % 2 else r.ports["admin_port"]
                with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
                    (mail.tls().wrap_socket(s) if i % 2 else s).sendall(request)
            wait_for("they wait", lambda: r.metric('postbus_pool_busy_workers{pool="api"}') == 2)
        wait_for("all are over", lambda: r.metric('postbus_pool_busy_workers{pool="api"}') == 0
                 and r.metric('postbus_pool_queued_jobs{pool="api"}') == 0)
        assert ask(r.ports["admin_port"], PATH + user, token)[0] == 200


def test_a_connection_that_was_lost_while_idle_costs_nobody_a_request(product):
    user, token = mail.new_account(product), token_of(product)
    with running(product, "registrar", worker_threads=2) as r:
        for _ in range(3):
            with concurrent.futures.ThreadPoolExecutor(10) as pool:
                answers = list(pool.map(lambda _: ask(r.ports["admin_port"], PATH + user, token)[0],
                                        range(20)))
            assert answers == [200] * 20
            product.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE usename = 'postbus_registrar'")


def test_who_waits_at_the_end_is_answered(product):
    user, token = mail.new_account(product), token_of(product)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        with locked(product, "account"), \
                running(product, "registrar", worker_threads=2) as r:
            asked = [pool.submit(ask, r.ports["admin_port"], PATH + user, token) for _ in range(20)]
            wait_for("they wait", lambda: r.metric('postbus_pool_busy_workers{pool="api"}') == 2
                     and r.metric('postbus_pool_queued_jobs{pool="api"}') == 18)
        # The registrar has ended, in order, which `running` looks at.
        assert {f.result()[0] for f in asked} == {503}


def test_before_the_start_it_is_503_and_elsewhere_nothing(product):
    token = token_of(product)
    with running(product, "registrar", ready=False, database_port=free_port()) as r:
        wait_for("the port", lambda: r.admin("/readyz"))
        status, headers, said = ask(r.ports["admin_port"], PATH + "x", token)
        assert (status, headers["Retry-After"], said["code"]) == (503, "1", "unavailable")
    fails(postbusctl(product, "account", "show", "x", "--api",
                     f"http://127.0.0.1:{product.admin_port('janitor')}"), 1, "no admin API of Postbus")


def test_a_lost_database_is_503_until_it_is_back():
    with Product(domain="_lost.localhost") as p:
        user, token = mail.new_account(p), token_of(p)
        port = p.admin_port("registrar")
        assert ask(port, PATH + user, token)[0] == 200
        statuses, stop = [], threading.Event()

        def keep_asking():
            while not stop.is_set():
                statuses.append(ask(port, PATH + user, token)[0])

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            askers = [pool.submit(keep_asking) for _ in range(8)]
            try:
                # All at once, as a machine that is gone: the supervisor starts it again.
                p.kill("postgres")
                wait_for("some are told", lambda: 503 in statuses)
                wait_for("it is back", lambda: statuses[-1] == 200 and ask(port, PATH + user, token)[0] == 200, 60)
                # It is there and says nothing.
                pid, before = p.pid("postgres"), len(statuses)
                children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
                for n in (pid, *map(int, children)):
                    os.kill(n, signal.SIGSTOP)
                try:
                    wait_for("some are told", lambda: 503 in statuses[before:],
                             ANSWERED_WITHIN_S)
                finally:
                    for n in (*map(int, children), pid):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(n, signal.SIGCONT)
            finally:
                stop.set()
            for asker in askers:
                asker.result()
        assert set(statuses) == {200, 503}
        wait_for("it is back", lambda: ask(port, PATH + user, token)[0] == 200, 60)
        assert postbusctl(p, "account", "show", user)[0] == 0


def change(product, user, body, token=None, kind="application/json", method="PATCH"):
    """Status of a PATCH of this account, and what the JSON says."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port(9094), timeout=ANSWERED_WITHIN_S)
    with contextlib.closing(connection):
        connection.request(method, PATH + user, body=body, headers={
            "Authorization": f"Bearer {token or token_of(product)}", "Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_an_account_takes_clear_text_once_it_is_switched(product):
    user, other = mail.new_account(product), mail.new_account(product)
    author = OUTSIDE
    plain = f"From: <{author}>\r\nMessage-ID: <%s@test>\r\nSubject: hi\r\n\r\nhello\r\n"
    client = foreign(product)

    def answers(*recipients):
        return transaction(client, author, recipients, plain % len(recipients))[0][-1]
    switch = "account", "encrypted-only", user
    assert answers(user) == 523
    status, out, err = postbusctl(product, *switch, "off", "--json")
    assert (status, err, json.loads(out)["encrypted_only"]) == (0, "", False)
    # Of the next message, on a connection that was there before.
    assert answers(user) == 250
    # One who wants encrypted mail only speaks for all of a message.
    assert answers(user, other) == answers(other, user) == 523
    shown = postbusctl(product, "account", "show", user.upper())[1]
    assert re.search(r"^encrypted only +no$", shown, re.M)
    assert change(product, other, '{"encrypted_only": false}')[1]["encrypted_only"] is False
    assert answers(user, other) == 250
    assert postbusctl(product, *switch, "on")[0] == 0
    assert answers(user) == 523 and answers(other) == 250
    for at, count in ((inbox(product, user), 2), (inbox(product, other), 2)):
        wait_for_messages(at, count)
    # Only what comes from outside: who submits encrypts, whatever the recipient's switch says.
    account = mail.smtp(product, user)
    clear = plain.replace(author, user) % "submitted"
    assert transaction(account, user, [other], clear)[0][-1] == 523


def test_what_is_no_change_of_an_account_changes_nothing(product):
    user = mail.new_account(product)
    for body in ("", "{}", '{"encrypted_only": "off"}', '{"encrypted_only": null}', '{"encrypted": false}',
                 '{"encrypted_only": false, "state": "disabled"}', "[]", "{",
                 '{"encrypted_only": false, "encrypted_only": false}'):
        status, said = change(product, user, body)
        assert (status, said["code"]) == (400, "bad_request"), body
    off = '{"encrypted_only": false}'
    assert change(product, user, off, kind="text/plain")[0] == 415
    assert change(product, user, off, token="0" * 64)[0] == 401
    assert change(product, user, off, method="PUT")[0] == 405
    assert change(product, "nobodyyyy@" + product.domain, off)[0] == 404
    assert change(product, "a@elsewhere.example", off)[0] == 404
    assert product.sql(f"SELECT flags FROM account WHERE addr = '{user}'") == "0"
    for words in ((user,), (user, "of"), (user, "on", "off"), ()):
        fails(postbusctl(product, "account", "encrypted-only", *words), 2)
    fails(postbusctl(product, "account", "encrypted-only", "nobodyyyy@" + product.domain, "off"), 3, "404")
