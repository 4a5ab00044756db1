"""Options change what they say they change: one process beside the product's for each.

Options with a home of their own are tested there: accounts in test_account_options.py, the
registrar's in test_registrar.py and test_web.py, limits of SMTP in test_smtp_rules.py, expiry
in test_expiry.py, sending in test_remote.py.
"""
import contextlib
import http.client
import imaplib
import json
import re
import signal
import smtplib
import socket
import subprocess

import pytest

import mail
from beside import Beside, locked, running
from idle import Idler
from moved_clock import Clock
from product import free_port, wait_for


# --- the mailbox ------------------------------------------------------------------------

def test_figures_that_clients_are_told(product):
    with running(product, "imap-gateway", max_mailbox_size="64M", max_recipients=77,
                 privacy_mail="jo@chat.example", iroh_relay="https://relay.example",
                 max_message_size=65536) as r:
        user = mail.new_name(r.domain)
        client = mail.imap(r, user)
        assert b"65536)" in client.getquotaroot("INBOX")[1][1][0]
        told = metadata(client, "/shared/admin", "/shared/vendor/deltachat/irohrelay",
                        "/shared/vendor/deltachat/maxsmtprecipients", "/shared/comment")
        assert told == {"/shared/admin": b"mailto:jo@chat.example", "/shared/comment": None,
                        "/shared/vendor/deltachat/irohrelay": b"https://relay.example",
                        "/shared/vendor/deltachat/maxsmtprecipients": b"77"}
        large = mail.encrypted(user, size=60000).encode()
        kind, text = client.append("INBOX", None, None, large)
        assert kind == "NO" and text[0].startswith(b"[TOOBIG]")


def metadata(client, *names):
    """Values as a client reads them: literals, or NIL."""
    imaplib.Commands["GETMETADATA"] = ("AUTH", "SELECTED")
    kind, _ = client._simple_command("GETMETADATA", '""', f"({' '.join(names)})")
    assert kind == "OK"
    values, text = {}, b""
    for part in client._untagged_response(kind, [None], "METADATA")[1]:
        head, literal = part if isinstance(part, tuple) else (part, None)
        text = head
        for name in re.findall(rb"(/\S+) NIL", text):
            values[name.decode()] = None
        if literal is not None:
            values[re.search(rb"(/\S+) \{\d+\}$", text)[1].decode()] = literal
    return values


@pytest.mark.parametrize("size, hits", [("0", False), ("1M", True)])
def test_what_was_read_a_moment_ago(product, size, hits):
    user = mail.new_account(product)
    with running(product, "imap-gateway", body_cache_bytes=size) as r:
        client = mail.imap(r, user)
        text = mail.encrypted(user).encode()
        client.append("INBOX", None, None, text)
        client.select("INBOX")
        assert [client.fetch("1", "(BODY.PEEK[])")[1][0][1] for _ in range(3)] == [text] * 3
        assert (r.metric("postbus_imap_body_cache_hits_total") > 0) == hits
        assert (r.metric("postbus_imap_body_cache_bytes") > 0) == hits


def test_metadata_by_the_letter(product):
    """As chatmail's own tests speak: bare LF, a blank before the parenthesis, lines."""
    user = mail.new_account(product)
    raw = socket.create_connection(("127.0.0.1", product.port(2993)), 30)
    with mail.tls().wrap_socket(raw) as s, s.makefile("rb") as lines:
        lines.readline()

        def command(text):
            s.sendall(text + b"\n")
            return lines.readline()
        assert command(f"a LOGIN {user} {mail.PASSWORD}".encode()).startswith(b"a OK [CAPABILITY")
        for token in (b"1111", b"2222"):
            assert command(b'b SETMETADATA INBOX (/private/devicetoken "%s" )' % token
                           ).startswith(b"b OK Setmetadata completed")
        first = command(b"c GETMETADATA INBOX /private/devicetoken")
        assert first.startswith(b"* METADATA") and first.endswith(b"{9}\r\n")
        assert lines.readline() == b"1111 2222)\r\n"
        assert lines.readline().startswith(b"c OK Getmetadata completed")
        six = command(b'd GETMETADATA "" (/shared/comment /shared/admin '
                      b"/shared/vendor/deltachat/irohrelay /shared/vendor/deltachat/turn "
                      b"/shared/vendor/deltachat/maxsmtprecipients "
                      b"/shared/vendor/deltachat/appversions)")
        assert six.startswith(b'* METADATA "" (/shared/comment NIL /shared/admin NIL ')
        assert six.endswith(b"maxsmtprecipients {4}\r\n")
        assert lines.readline() == b"1000 /shared/vendor/deltachat/appversions NIL)\r\n"
        assert lines.readline().startswith(b"d OK ")


def test_sessions_of_one_account_and_of_all(product):
    one, other = mail.new_account(product), mail.new_account(product)
    with running(product, "imap-gateway", max_imap_connections_per_account=2,
                 max_imap_connections=4, max_connections_per_network=3) as r:
        kept = [mail.imap(r, one), mail.imap(r, one)]
        with pytest.raises(imaplib.IMAP4.error):
            mail.imap(r, one)
        kept.append(mail.imap(r, other))
        # Nobody of this network makes room: all are logged in.
        with socket.create_connection(("127.0.0.1", r.port(2143)), 30) as fourth:
            assert fourth.recv(512).startswith(b"* BYE [UNAVAILABLE]")
        kept.pop(0).logout()
        wait_for("room for one more", lambda: mail.may_begin(r, one))
    with running(product, "imap-gateway", max_imap_connections=1) as r:
        with socket.create_connection(("127.0.0.1", r.port(2143)), 30) as first:
            assert first.recv(512).startswith(b"* OK")
            with socket.create_connection(("127.0.0.1", r.port(2143)), 30) as second:
                assert second.recv(512).startswith(b"* OK")
                assert first.recv(512).startswith(b"* BYE [UNAVAILABLE]")


@pytest.mark.parametrize("options, tls", [
    ({"max_http_connections": 2, "max_connections_per_network": 100}, True),
    ({"max_http_connections": 100, "max_connections_per_network": 2}, True),
    ({"max_http_connections": 100, "max_connections_per_network": 2}, False),
])
def test_http_connections(product, options, tls):
    with running(product, "registrar", **options) as r, contextlib.ExitStack() as stack:
        def visit():
            c = http.client.HTTPConnection("127.0.0.1", r.port(8080), timeout=30)
            if tls:
                c = http.client.HTTPSConnection("127.0.0.1", r.port(8443), timeout=30,
                                                context=mail.tls())
            stack.callback(c.close)
            c.request("GET", "/info")
            return c.getresponse().read() and c
        def is_open(c):
            c.request("GET", "/info")
            return c.getresponse().read()
        first, second = visit(), visit()
        is_open(first)  # gets on, and so the other one makes room
        third = visit()
        with pytest.raises((OSError, http.client.HTTPException)):
            is_open(second)
        assert is_open(first) and is_open(third)


def test_silence_ends_a_session(product):
    """Ten seconds is the least that may be set; both services wait at the same time."""
    user = mail.new_account(product)
    with running(product, "imap-gateway", session_timeout_seconds=10) as g, \
            running(product, "smtp-ingress", session_timeout_seconds=10) as i:
        imap, idle, smtp = mail.imap(g, user), mail.imap(g, user), mail.smtp(i, user)
        idle.select("INBOX")
        idle.send(b"x IDLE\r\n")
        assert idle.readline().startswith(b"+")
        assert imap.readline().startswith(b"* BYE")
        assert smtp.getreply()[0] == 421
        idle.send(b"DONE\r\n")  # who waits in IDLE is not silent
        assert idle.readline().startswith(b"x OK")


def test_an_idle_submission_session_is_kept_for_minutes(product, tmp_path):
    """Delta Chat keeps its connection for the next message.  The service's clock is moved,
    and by cutting a handshake that is overdue it shows that it has seen the new time."""
    user, clock = mail.new_account(product), Clock(tmp_path)
    with running(product, "smtp-ingress", io_threads=1,
                 environment=clock.environment(monotonic=True)) as r, contextlib.ExitStack() as stack:
        client = mail.smtp(r, user)

        def move_on(seconds):
            mute = stack.enter_context(socket.create_connection(("127.0.0.1", r.port(2465)), 30))
            # Accepted behind it on the same thread: this one has been seen, too.
            stack.enter_context(contextlib.closing(smtplib.SMTP_SSL(
                "127.0.0.1", r.port(2465), context=mail.tls(), timeout=30)))
            clock.forward(seconds)
            assert mute.recv(1) == b""

        for seconds in (75, 290):
            move_on(seconds)
            assert client.noop()[0] == 250
        move_on(310)
        assert client.getreply()[0] == 421


def test_who_stays_logged_in_is_noted_once_a_day(product, tmp_path):
    """An account is not taken for an unused one because its client never has to log in."""
    user, other, clock = mail.new_account(product), mail.new_account(product), Clock(tmp_path)

    def days(who):
        return int(product.sql(f"SELECT today() - seen_day FROM account WHERE addr = '{who}'"))

    with running(product, "imap-gateway", environment=clock.environment()) as r:
        client = mail.imap(r, user)
        client.select("INBOX")
        client.send(b"x IDLE\r\n")
        assert client.readline().startswith(b"+")
        product.sql("UPDATE account SET seen_day = seen_day - 80 "
                    f"WHERE addr IN ('{user}', '{other}')")
        for _ in range(2):
            clock.forward(86400)
            wait_for("the day is noted", lambda: days(user) == 0)
            assert days(other) == 80
            product.sql(f"UPDATE account SET seen_day = seen_day - 1 WHERE addr = '{user}'")


def test_an_idle_client_hears_something(product):
    user = mail.new_account(product)
    with running(product, "imap-gateway", idle_keepalive_seconds=1) as r:
        client = mail.imap(r, user)
        client.select("INBOX")
        client.send(b"x IDLE\r\n")
        assert client.readline().startswith(b"+")
        for _ in range(2):
            assert client.readline() == b"* OK Still here\r\n"
        client.send(b"DONE\r\n")
        assert client.readline().startswith(b"x OK")


NO_EVENTS = {"queue_worker_event_peers": "", "imap_gateway_event_peers": "",
             "janitor_event_peers": "", "registrar_event_peers": ""}


def lines_so_far(idler):
    idler.socket.setblocking(False)
    with contextlib.suppress(mail.ssl.SSLWantReadError):
        idler.buffer += idler.socket.recv(65536)
    return idler.buffer


def test_hints_and_polls(product):
    """Who knows the peers is told by them, whoever polls finds out, and the rest is deaf."""
    user = mail.new_account(product)
    with running(product, "imap-gateway", mailbox_poll_seconds=1, **NO_EVENTS) as polls, \
            running(product, "imap-gateway", mailbox_poll_seconds=600, **NO_EVENTS) as deaf, \
            running(product, "imap-gateway", mailbox_poll_seconds=600) as hears:
        polling, deafened, hearing = (Idler(r, user) for r in (polls, deaf, hears))
        for idler in (polling, deafened, hearing):
            idler.idle()
        # A session that is new asks the store once by itself, when its subscription would
        # have taken effect.
        asked = r'db_statement_seconds_count{statement="mailbox_poll"} [1-9]'
        wait_for("the new session has asked", lambda: re.search(asked, deaf.admin("/metrics")))
        smtp = mail.smtp(product, user)
        for _ in range(2):
            smtp.sendmail(user, [user], mail.encrypted(user))
            hearing.wait_announcement(30)
            polling.wait_announcement(30)
        assert b"EXISTS" not in lines_so_far(deafened)
        # Another gateway's changes come from it.
        client = mail.imap(product, user)
        client.select("INBOX")
        client.store("1", "+FLAGS", r"(\Flagged)")
        while b"Flagged" not in hearing.line():
            pass
        while b"Flagged" not in polling.line():
            pass
        assert b"Flagged" not in lines_so_far(deafened)


@pytest.mark.parametrize("service, options", [
    ("queue-worker", {"smtp_ingress_work_peers": "", "remote_sender_work_peers": "",
                      "registrar_event_peers": ""}),
    ("remote-sender", {"queue_worker_work_peers": "", "registrar_event_peers": ""}),
    ("imap-gateway", NO_EVENTS),
    ("janitor", {"registrar_event_peers": ""}),
])
def test_each_list_of_peers_is_followed(product, service, options):
    def peers(seen, **without):
        with running(product, service, **without) as r:
            wait_for(f"{seen} peers", lambda: r.metric("postbus_bus_peers") == seen)
            return json.loads(r.admin("/readyz"))["missing"]
    for name in options:
        assert peers(len(options) - 1, **{name: ""}) == []
    nobody = f"static:127.0.0.1:{free_port()}"
    assert [m["what"] for m in peers(len(options) - 1, **{name: nobody})] == [name]


def test_while_the_secret_is_changed_both_are_accepted(product, tmp_path):
    """A gateway that has the new one already is still told by the others, who have the old."""
    new, old = tmp_path / "new", product.run / "secrets/cluster_secret"
    new.write_text("a new secret of more than thirty-two characters\n")
    user = mail.new_account(product)
    with running(product, "imap-gateway", cluster_secret_file=new, mailbox_poll_seconds=600,
                 cluster_secret_previous_file=old) as both, \
            running(product, "imap-gateway", cluster_secret_file=new, mailbox_poll_seconds=600
                    ) as stranger:
        wait_for("all peers", lambda: both.metric("postbus_bus_peers") == len(NO_EVENTS))
        assert stranger.metric("postbus_bus_peers") == 0
        client = Idler(both, user)
        client.idle()
        mail.smtp(product, user).sendmail(user, [user], mail.encrypted(user))
        client.wait_announcement(30)


@pytest.mark.parametrize("service, statement", [("queue-worker", "queue_claim"),
                                                ("remote-sender", "remote_claim")])
def test_the_queue_is_looked_at_as_often_as_the_option_says(product, service, statement):
    def looks(r):
        return r.metric(f'postbus_db_statement_seconds_count{{statement="{statement}"}}')

    with running(product, service, queue_poll_ms=100) as often, \
            running(product, service, queue_poll_ms=60000) as rarely:
        before = wait_for("a first look of both", lambda: (looks(often), looks(rarely)))
        wait_for("thirty looks", lambda: looks(often) - before[0] >= 30)
        assert looks(rarely) - before[1] < 10


# --- ports ------------------------------------------------------------------------------

def listening(process):
    """(address, port) of every TCP socket that the process listens on."""
    text = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout
    return {tuple(line.split()[3].rsplit(":", 1)) for line in text.splitlines()
            if f"pid={process.pid}," in line}


@pytest.mark.parametrize("service, ports", [
    ("smtp-ingress", {"smtp_port": 0, "submission_port": 0, "submissions_port": 0}),
    ("imap-gateway", {"imap_port": 0, "imaps_port": 0}),
    ("registrar", {"http_port": 0, "https_port": 0}),
])
def test_each_port_can_be_off_and_addresses_chosen(product, service, ports):
    for off in ports:
        with running(product, service, **{off: 0}) as r:
            client = {("127.0.0.1", str(r.ports[p])) for p in ports if p != off}
            inner = {("127.0.0.1", str(r.ports[p])) for p in r.ports if p not in ports}
            assert listening(r.process) - inner == client
    with running(product, service, listen_address="", disable_ipv6="true",
                 bus_address="*", admin_address="") as r:
        every = {("0.0.0.0", str(r.ports[p])) for p in [*ports, "admin_port"]}
        assert every <= listening(r.process)
        assert not any(a.startswith("[") and p in {str(r.ports[x]) for x in ports}
                       for a, p in listening(r.process))


@pytest.mark.parametrize("service", ["smtp-ingress", "queue-worker"])
def test_the_admin_port_is_for_this_machine_unless_an_option_says_more(product, service):
    with running(product, service, admin_address=None) as r:
        port = str(r.ports["admin_port"])
        assert {a for a, p in listening(r.process) if p == port} == {"127.0.0.1"}


def proxy_header(client):
    addresses = socket.inet_aton(client) + socket.inet_aton("192.0.2.80") + b"\x30\x39\x00\x50"
    return (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + len(addresses).to_bytes(2, "big") + addresses)


@pytest.mark.parametrize("service, port, hello", [
    ("smtp-ingress", 2525, b"220 "), ("smtp-ingress", 2465, b"220 "),
    ("imap-gateway", 2143, b"* OK"), ("imap-gateway", 2993, b"* OK"),
])
def test_proxy_protocol(product, service, port, hello):
    with running(product, service, proxy_protocol="true", trusted_proxies="127.0.0.0/8",
                 max_connections_per_network=1) as r, contextlib.ExitStack() as stack:
        def greeted(header):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", r.port(port)), 30))
            raw.sendall(header)
            if port in (2465, 2993):
                raw = stack.enter_context(mail.tls().wrap_socket(raw))
            return raw, raw.recv(512)

        def answers(s):
            s.sendall(b"x NOOP\r\n")
            return s.recv(512) != b""
        # The limit of a network is that of the client whom the proxy names.
        one, other, again = (greeted(proxy_header(f"198.51.100.{n}")) for n in (1, 2, 2))
        assert all(greeting.startswith(hello) for _, greeting in (one, other, again))
        assert re.match(rb"421 |\* BYE ", other[0].recv(512)) and other[0].recv(512) == b""
        assert answers(one[0]) and answers(again[0])
        # A header of version 1, or none, is no header.
        for header in (b"PROXY TCP4 198.51.100.3 192.0.2.80 12345 80\r\n", b"EHLO a.example\r\n"):
            with contextlib.suppress(OSError):
                assert greeted(header)[1] == b""


def test_only_trusted_proxies_are_believed(product):
    with running(product, "smtp-ingress", proxy_protocol="true",
                 trusted_proxies="192.0.2.0/24") as r:
        with socket.create_connection(("127.0.0.1", r.port(2525)), 30) as s:
            s.sendall(proxy_header("198.51.100.1"))
            with contextlib.suppress(ConnectionError):
                assert s.recv(512) == b""


def test_both_files_of_the_certificate_in_one_option(product):
    pair = f"{product.run}/secrets/tls.crt {product.run}/secrets/tls.key"
    with running(product, "imap-gateway", tls_certificate_file="", tls_key_file="",
                 tls_external_cert_and_key=pair) as r:
        mail.imap(r, mail.new_name(r.domain)).logout()


# --- threads and time -------------------------------------------------------------------

@pytest.mark.parametrize("service, io", [("smtp-ingress", "smtp-io"), ("imap-gateway", "imap")])
def test_numbers_of_threads(product, service, io):
    with running(product, service, io_threads=3, worker_threads=5, login_threads=2) as r:
        assert (r.threads(io), r.threads("command"), r.threads("login")) == (3, 5, 2)


def recipient_waits(r, stack):
    client = stack.enter_context(contextlib.closing(
        smtplib.SMTP("127.0.0.1", r.port(2525), "mx.elsewhere.example", timeout=60)))
    client.starttls(context=mail.tls())
    client.ehlo()
    client.mail("someone@elsewhere.example")
    client.putcmd("RCPT", f"TO:<{mail.new_name(r.domain)}>")
    return client


def test_a_statement_is_not_waited_for_forever(product):
    with running(product, "smtp-ingress", database_statement_seconds=1) as r, \
            contextlib.ExitStack() as stack:
        with locked(product, "account"):
            assert recipient_waits(r, stack).getreply()[0] in (450, 451)


def test_commands_that_wait_for_a_worker_are_bounded(product):
    with running(product, "smtp-ingress", job_queue_max=16, worker_threads=1) as r, \
            contextlib.ExitStack() as stack:
        with locked(product, "account"):
            clients = [recipient_waits(r, stack) for _ in range(18)]
            # One is being worked on, sixteen wait, the last has no place.
            assert clients[-1].getreply()[0] in (450, 451)
        for client in clients[:-1]:
            assert client.getreply()[0] == 550


def test_drain_is_cut_after_its_time(product):
    """A message that never ends does not keep a service alive; its sender hears why."""
    user = mail.new_account(product)
    with running(product, "smtp-ingress", drain_seconds=1) as r:
        client = mail.smtp(r, user)
        client.mail(user)
        client.rcpt(user)
        client.docmd("DATA")
        r.process.send_signal(signal.SIGTERM)
        assert client.getreply() == (421, b"4.3.2 Service is going away")
        assert r.logged("service.drain_cut.*drain_seconds")
        r.process.wait(20)


# --- the database and the log -----------------------------------------------------------

def test_log_level_and_format(product):
    user = mail.new_account(product)
    logs = {}
    for level in ("error", "info", "debug"):
        with running(product, "smtp-ingress", log_level=level, log_format="json",
                     max_user_send_per_minute=1000) as r:
            client = mail.smtp(r, user)
            client.sendmail(user, [user], mail.encrypted(user))
            client.quit()
        logs[level] = r.log.read_text()
    assert logs["error"] == "" and "smtp.accepted" in logs["info"]
    for text in logs.values():
        for line in text.splitlines():
            assert json.loads(line)["event"]
        assert user not in logs["info"] and "127.0.0.1" not in logs["info"]
    assert len(logs["debug"]) >= len(logs["info"])


def test_what_is_wrong_stops_the_start(product):
    for options, reason in (({"max_recipients": "many"}, "max_recipients"),
                            ({"imap_port": 70000}, "imap_port"),
                            ({"log_level": "loud"}, "log_level"),
                            ({"mail_domain": ""}, "mail_domain"),
                            ({"database_password": "in the environment"}, "leaks"),
                            ({"cluster_secret": "x" * 40}, "leaks"),
                            ({"cluster_secret_previous": "x" * 40}, "leaks")):
        assert reason in Beside(product, "imap-gateway", options).refuses_to_start()
