"""TLS on every port: who may be old, and what a client that names a protocol gets."""
import contextlib
import socket
import ssl

import pytest

import mail

# Port, what to say first where TLS begins by STARTTLS, and the protocol's name (RFC 7301).
# Nothing is said before the greeting.
SMTP, IMAP = [b"", b"EHLO a.example\r\n", b"STARTTLS\r\n"], [b"", b"a STARTTLS\r\n"]
PORTS = {2525: (SMTP, "smtp"), 2587: (SMTP, "smtp"), 2465: ([], "smtp"),
         2143: (IMAP, "imap"), 2993: ([], "imap"), 8443: ([], "http/1.1")}
FOR_OTHER_SERVERS = {2525, 8443}
NO_COMMON_NAME = "tlsv1 alert no application protocol"


def reply(raw):
    """One whole reply, its last line not continued; what follows stays unread."""
    line = b""
    while not line.endswith(b"\r\n") or line[3:4] == b"-":
        line = b"" if line.endswith(b"\r\n") else line
        line += raw.recv(1)
    return line


@contextlib.contextmanager
def session(product, port, context):
    """TLS on a port, whichever way it begins there."""
    with socket.create_connection(("127.0.0.1", product.port(port)), 30) as raw:
        for words in PORTS[port][0]:
            raw.sendall(words)
            reply(raw)
        with context.wrap_socket(raw) as s:
            yield s


def offering(*names, version=None):
    context = mail.tls()
    if names:
        context.set_alpn_protocols(list(names))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("port", PORTS)
def test_only_other_servers_may_be_old(product, port):
    """They come for mail and for MTA-STS; clients have TLS 1.3."""
    with session(product, port, offering(version=ssl.TLSVersion.TLSv1_3)) as s:
        assert s.version() == "TLSv1.3"
    old = offering(version=ssl.TLSVersion.TLSv1_2)
    if port in FOR_OTHER_SERVERS:
        with session(product, port, old) as s:
            assert s.version() == "TLSv1.2"
            assert s.cipher()[0].startswith("ECDHE-")
    else:
        with pytest.raises(ssl.SSLError), session(product, port, old):
            pass


@pytest.mark.parametrize("port", PORTS)
def test_a_protocol_that_is_not_spoken_is_refused(product, port):
    own = PORTS[port][1]
    for names, chosen in (((), None), ((own,), own), (("h2", own), own)):
        with session(product, port, offering(*names)) as s:
            assert s.selected_alpn_protocol() == chosen
    for name in {"smtp", "imap", "http/1.1", "h2", "xmpp-client"} - {own}:
        with pytest.raises(ssl.SSLError, match=NO_COMMON_NAME):
            with session(product, port, offering(name)):
                pass
