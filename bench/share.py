"""How soon a stranger's SELECT is answered while one account keeps the server busy.

Eight sessions of one account each repeat a command over a mailbox of 65,536 tiny messages, each
in a process of its own; a session of another account selects its INBOX fifty times a second.
"""
import multiprocessing
import os
import socket
import ssl
import time

HEAVY, STRANGER, SESSIONS = "heavyload", "strangers", 8
APPENDED, DOUBLED = 1024, 6  # 65,536 messages, of which every sixty-fourth is another
STRANGERS_MESSAGES = 100
EVERY_S = 0.02
DEADLINE_S = 300
LINE = 500  # more than a tagged line has
# What a session does again and again; %d is its number.
COMMANDS = {
    "SEARCH": ["SEARCH TEXT zzzzzz"],
    "FETCH": ["FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"],
    "STORE": [r"STORE 1:* +FLAGS (\Flagged)", r"STORE 1:* -FLAGS (\Flagged)"],
    "COPY": ["CREATE copies%d", "COPY 1:* copies%d", "DELETE copies%d"],
    "EXPUNGE": ["SELECT INBOX", "CREATE copies%d", "COPY 1:* copies%d", "SELECT copies%d",
                r"STORE 1:* +FLAGS.SILENT (\Deleted)", "EXPUNGE", "SELECT INBOX",
                "DELETE copies%d"],
}


class Client:
    """Sends a command and reads to its tagged line; what comes before it is thrown away."""

    def __init__(self, server, user, password):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", server.imap_port), DEADLINE_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=server.domain)
        self.tag = 0
        self.socket.recv(65536)
        self.command(f'LOGIN "{user}@{server.domain}" "{password}"')
        self.command("SELECT INBOX")

    def command(self, text):
        self.tag += 1
        tag = f"A{self.tag:06} ".encode()
        self.socket.sendall(tag + text.encode() + b"\r\n")
        end = b""
        while True:
            got = self.socket.recv(65536)
            if not got:
                raise ConnectionError(f"the server closed the connection during {text}")
            end = end[-LINE:] + got[-LINE:]
            line = end[end.rfind(b"\n", 0, -2) + 1:]
            if line.startswith(tag) and line.endswith(b"\r\n"):
                if not line.startswith(tag + b"OK"):
                    raise ConnectionError(f"{text}: {line.decode()}")
                return

    def append(self, n):
        for i in range(n):
            message = f"Subject: {i}\r\n\r\nx\r\n"
            self.command(f"APPEND INBOX {{{len(message)}+}}\r\n{message}")
        self.command("SELECT INBOX")


def fill(server, password):
    heavy = Client(server, HEAVY, password)
    heavy.append(APPENDED)
    for _ in range(DOUBLED):
        heavy.command("COPY 1:* INBOX")
        heavy.command("SELECT INBOX")
    Client(server, STRANGER, password).append(STRANGERS_MESSAGES)


def keep_busy(server, password, number, texts, begun, done):
    os.nice(19)  # elsewhere it would have a machine of its own
    client = Client(server, HEAVY, password)
    begun.release()
    while True:
        for text in texts:
            client.command(text.replace("%d", str(number)))
            with done.get_lock():
                done.value += 1


def sample(client, seconds):
    times, until = [], time.monotonic() + seconds
    while (begin := time.monotonic()) < until:
        client.command("SELECT INBOX")
        times.append(1000 * (time.monotonic() - begin))
        time.sleep(max(0, begin + EVERY_S - time.monotonic()))
    return sorted(times)


def percentiles(times):
    return times[len(times) // 2], times[len(times) * 99 // 100]


def measure(server, password, name, seconds):
    """Percentiles in ms of the stranger's SELECT alone and beside the command, and how many of
    its parts the heavy account has done."""
    stranger = Client(server, STRANGER, password)
    alone = percentiles(sample(stranger, seconds / 2))
    begun, done = multiprocessing.Semaphore(0), multiprocessing.Value("i", 0)
    sessions = [multiprocessing.Process(target=keep_busy, daemon=True, args=(
        server, password, i, COMMANDS[name], begun, done)) for i in range(SESSIONS)]
    for session in sessions:
        session.start()
    try:
        for _ in sessions:
            if not begun.acquire(timeout=DEADLINE_S):
                raise ConnectionError("the heavy account's sessions did not begin")
        beside = percentiles(sample(stranger, seconds))
        if not all(session.is_alive() for session in sessions):
            raise ConnectionError(f"a session of the heavy account has ended during {name}")
    finally:
        for session in sessions:
            session.kill()
            session.join()
    # What is left of the copies would be in the way of the next row.
    again = Client(server, HEAVY, password)
    for i in range(SESSIONS):
        try:
            again.command(f"DELETE copies{i}")
        except ConnectionError:
            pass
    return {"alone_p50": alone[0], "alone_p99": alone[1], "select_p50": beside[0],
            "select_p99": beside[1], "ratio_p99": beside[1] / alone[1], "heavy_done": done.value}
