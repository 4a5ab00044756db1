"""Memory that runs out costs a connection, not the process; what a storm took is given back."""
import contextlib
import pathlib
import re
import resource
import socket
import ssl

import pytest

import mail
from beside import running
from product import wait_for

MB = 1024 * 1024


def status(r, field):
    """[bytes]"""
    text = pathlib.Path(f"/proc/{r.process.pid}/status").read_text()
    return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1])


def connect_many(r, port, count, stack):
    """Handshakes that begin together; how many are through."""
    context, begun, done = mail.tls(), [], 0
    for _ in range(count):
        with contextlib.suppress(OSError):
            s = socket.create_connection(("127.0.0.1", r.port(port)), 30)
            begun.append(stack.enter_context(
                context.wrap_socket(s, do_handshake_on_connect=False)))
    for s in begun:
        s.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError, OSError):
            s.do_handshake()
    for s in begun:
        s.settimeout(30)
        with contextlib.suppress(OSError):
            s.do_handshake()
            done += 1
    return done


@pytest.mark.parametrize("service, port", [("imap-gateway", 2993), ("smtp-ingress", 2465),
                                           ("registrar", 8443)])
def test_without_memory_a_connection_is_refused(product, service, port):
    with running(product, service, environment={"MALLOC_ARENA_MAX": "1"}) as r:
        with contextlib.ExitStack() as stack:
            assert connect_many(r, port, 5, stack) == 5
            limit = status(r, "VmSize") + 4 * MB
            resource.prlimit(r.process.pid, resource.RLIMIT_AS, (limit, limit))
            assert connect_many(r, port, 1000, stack) < 1000
        assert r.process.poll() is None
        with contextlib.ExitStack() as stack:
            wait_for("a connection", lambda: connect_many(r, port, 1, stack) == 1)


def test_memory_of_a_storm_is_given_back(product):
    with running(product, "imap-gateway") as r:
        before = status(r, "RssAnon")
        with contextlib.ExitStack() as stack:
            assert connect_many(r, 2993, 2000, stack) == 2000
            peak = status(r, "RssAnon")
        assert peak > before + 30 * MB
        wait_for("memory is given back", lambda: status(r, "RssAnon") < before + 15 * MB, 90, 0.5)
