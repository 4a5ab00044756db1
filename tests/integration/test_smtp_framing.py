"""Two servers must never read two different ends of one message (SMTP smuggling).

Each bare CR, bare LF and odd end of data is refused on the real socket, the connection is
not trusted any further, and nothing is stored: neither the message nor what is hidden in it.
"""
import socket

import pytest

import mail
from product import wait_for

MARK = "@@"
# Where MARK stands in the message, this is put.
INSIDE = {
    "bare LF": b"\n",
    "bare CR": b"\r",
    "LF CR": b"\n\r",
    "CR CR LF": b"\r\r\n",
    "NUL": b"\0",
}
# This stands where CRLF.CRLF belongs, and a second message follows.
ENDS = {
    "LF . LF": b"\n.\n",
    "LF . CRLF": b"\n.\r\n",
    "CRLF . LF": b"\r\n.\n",
    "CR . CR": b"\r.\r",
    "CR . CRLF": b"\r.\r\n",
    "CRLF . CR": b"\r\n.\r",
    "LF . CR": b"\n.\r",
    "CR . LF": b"\r.\n",
    "CR CR LF . CRLF": b"\r\r\n.\r\n",
    "CRLF . CR CR LF": b"\r\n.\r\r\n",
    "CRLF NUL . CRLF": b"\r\n\0.\r\n",
    "CRLF . NUL CRLF": b"\r\n.\0\r\n",
}


class Raw:
    """A connection under TLS, past EHLO (and past AUTH on the submission port)."""

    def __init__(self, product, user=None):
        raw = socket.create_connection(
            ("127.0.0.1", product.port(2465 if user else 2525)), 30)
        self.file = None
        if user:
            self.take(mail.tls().wrap_socket(raw))
            assert self.reply().startswith("220 ")
        else:
            self.take(raw)
            assert self.reply().startswith("220 ")
            self.ask(b"EHLO mx.elsewhere.example\r\n", "250 ")
            self.ask(b"STARTTLS\r\n", "220 ")
            self.take(mail.tls().wrap_socket(raw))
        self.ask(b"EHLO mx.elsewhere.example\r\n", "250 ")
        if user:
            self.ask(f"AUTH PLAIN {mail.plain(user)}\r\n".encode(), "235 ")

    def take(self, s):
        self.socket, self.file = s, s.makefile("rb")

    def reply(self):
        """The last line of the next reply; empty at the end of the connection."""
        while (line := self.file.readline().decode()) and line[3:4] == "-":
            pass
        return line

    def ask(self, data, wanted):
        self.socket.sendall(data)
        answer = self.reply()
        assert answer.startswith(wanted), answer

    def rest(self):
        """All replies until the server closes."""
        return self.file.read().decode().splitlines()

    def begin_data(self, sender, receiver):
        self.ask(f"MAIL FROM:<{sender}>\r\n".encode(), "250 ")
        self.ask(f"RCPT TO:<{receiver}>\r\n".encode(), "250 ")
        self.ask(b"DATA\r\n", "354 ")

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module", params=["submission", "port 25"])
def line(request, product):
    """Sender, receiver and a way to connect; in the end nothing must have been stored."""
    receiver = mail.new_account(product)
    outside = request.param == "port 25"
    sender = "someone@_elsewhere.example" if outside else mail.new_account(product)

    def connect():
        return Raw(product, None if outside else sender)
    yield sender, receiver, connect
    c = connect()
    c.begin_data(sender, receiver)
    c.ask(mail.encrypted(sender, "after@test").encode() + b".\r\n", "250 ")
    c.close()
    at = mail.imap(product, receiver)
    wait_for("the marker", lambda: at.select("INBOX")[1] != [b"0"])
    assert mail.message_ids(at) == ["after@test"]
    assert product.sql("SELECT count(*) FROM queue") == "0"


def hidden(sender, receiver):
    """What an attacker wants the next server to take for commands."""
    return (f"MAIL FROM:<{sender}>\r\nRCPT TO:<{receiver}>\r\nDATA\r\n"
            f"{mail.encrypted(sender, 'hidden@test')}.\r\nQUIT\r\n").encode()


def refused(connection, data):
    connection.socket.sendall(data)
    replies = connection.rest()
    connection.close()
    assert len(replies) == 1 and replies[0].startswith("500 Invalid DATA"), replies


@pytest.mark.parametrize("where", ["header", "first line", "armor", "last line"])
@pytest.mark.parametrize("fault", INSIDE)
def test_a_fault_inside_a_message(line, where, fault):
    sender, receiver, connect = line
    text = mail.encrypted(sender, "fault@test")
    if where == "first line":
        text = MARK + text
    elif where == "last line":
        text += MARK
    else:
        before = "Chat-Version" if where == "header" else "-----END"
        text = text.replace(before, MARK + before, 1)
    c = connect()
    c.begin_data(sender, receiver)
    refused(c, text.encode().replace(MARK.encode(), INSIDE[fault]) + b"\r\n.\r\n")


@pytest.mark.parametrize("end", ENDS)
def test_an_odd_end_of_data(line, end):
    sender, receiver, connect = line
    text = mail.encrypted(sender, "odd@test").encode().removesuffix(b"\r\n")
    c = connect()
    c.begin_data(sender, receiver)
    refused(c, text + ENDS[end] + hidden(sender, receiver))


@pytest.mark.parametrize("command", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"NOOP \0\r\n"])
def test_a_fault_in_a_command(line, command):
    sender, receiver, connect = line
    c = connect()
    c.socket.sendall(command + hidden(sender, receiver))
    replies = c.rest()
    c.close()
    assert len(replies) == 1 and replies[0].startswith("500 5.5.2 "), replies


def test_the_right_end_in_pieces(line):
    """A dot line cut anywhere is still the end, and a stuffed one is not."""
    sender, receiver, connect = line
    plain = f"From: <{sender}>\r\n\r\nnot encrypted\r\n..\r\n"
    for cut in range(1, 5):
        c = connect()
        c.begin_data(sender, receiver)
        data = plain.encode() + b".\r\n"
        c.socket.sendall(data[:-cut])
        c.socket.sendall(data[-cut:])
        assert c.reply().startswith("523 ")
        c.ask(b"NOOP\r\n", "250 ")
        c.close()


def test_what_was_sent_before_tls_is_not_obeyed(product):
    """Whoever sits in between can put commands behind STARTTLS."""
    for port, tag, greeting in ((2525, b"", b"220 "), (2143, b"a ", b"* OK")):
        with socket.create_connection(("127.0.0.1", product.port(port)), 30) as raw:
            assert raw.recv(4096).startswith(greeting)
            if port == 2525:
                raw.sendall(b"EHLO a.example\r\n")
                assert b"250 ENHANCEDSTATUSCODES\r\n" in raw.recv(4096)
            raw.sendall(tag + b"STARTTLS\r\n" + tag + b"NOOP\r\n")
            try:
                with mail.tls().wrap_socket(raw) as s:
                    s.sendall(tag + b"QUIT\r\n")
                    answers = s.recv(4096)
                    assert answers.startswith((b"221", b"a BAD")), answers
            except OSError:
                pass  # cut, which is as good
