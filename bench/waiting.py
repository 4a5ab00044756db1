"""A thousand messages of other servers that wait for the DNS, rspamd or a milter, ten seconds each.

A process of its own is their senders, the name server, rspamd and the milter: each of its connections
sends a message, hears the answer ten seconds later, and sends the next.  They begin one after the other over ten
seconds, so that at any time a thousand wait and a hundred a second are done.
"""
import asyncio
import collections
import multiprocessing
import pathlib
import re
import resource
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
import mail  # noqa: E402
from fake_dns import MX, question, wire  # noqa: E402

CROWD, WAIT_S = 1000, 10
AT_ONCE = 8  # of the first steps of connections, so that TLS takes nobody long
AUTHOR = "someone@_waiting.example"  # a domain that need not sign
STEP_S = 60


class SlowDns(asyncio.DatagramProtocol):
    """Every domain has an MX host, as who asks is told after ten seconds; who asks again meanwhile
    gets the same answer then."""

    def __init__(self):
        self.due = {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, packet, source):
        loop = asyncio.get_running_loop()
        name, kind, end = question(packet)
        data = b"\0\0" + wire("mx.waiting.example")
        record = b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data
        head = packet[:2] + b"\x81\x80\0\1" + (b"\0\1" if kind == MX else b"\0\0") + b"\0\0\0\0"
        answer = head + packet[12:end] + (record if kind == MX else b"")
        due = self.due.setdefault(name, loop.time() + WAIT_S)
        loop.call_at(max(due, loop.time()), self.transport.sendto, answer, source)
        if due < loop.time():
            self.due.pop(name, None)


async def slow_rspamd(reader, writer):
    """Finds nothing, in ten seconds."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(re.search(rb"(?i)\ncontent-length: *(\d+)", head)[1]))
            await asyncio.sleep(WAIT_S)
            body = b'{"action":"no action","score":0}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def slow_milter(reader, writer):
    """Wants to hear everything, and thinks about it for ten seconds."""
    try:
        while True:
            packet = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
            command = packet[:1]
            if command == b"Q":
                break
            if command == b"E":
                await asyncio.sleep(WAIT_S)
            if command != b"D":
                said = b"O\0\0\0\x06\0\0\x01\xff\0\0\0\0" if command == b"O" else b"c"
                writer.write(len(said).to_bytes(4, "big") + said)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


class Sender:
    """A connection to port 25."""

    def __init__(self, port, recipient, number, done):
        self.port, self.recipient, self.number, self.done = port, recipient, number, done
        self.sent, self.has_begun = 0, False

    async def reply(self):
        while True:
            line = await asyncio.wait_for(self.reader.readline(), STEP_S)
            if not line or line[:3] == b"421":
                raise ConnectionError(f"the server ended a connection: {line!r}")
            if line[3:4] != b"-":
                return line

    async def say(self, text):
        self.writer.write(text)
        return await self.reply()

    async def connect(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self.reply()
        await self.say(b"EHLO mx.waiting.example\r\n")
        await self.say(b"STARTTLS\r\n")
        await self.writer.start_tls(context)
        await self.say(b"EHLO mx.waiting.example\r\n")

    async def message(self):
        domain = f"w{self.number}-{self.sent}.example"
        self.sent += 1
        for command in (f"MAIL FROM:<a@{domain}>", f"RCPT TO:<{self.recipient}>", "DATA"):
            await self.say(command.encode() + b"\r\n")
        text = mail.encrypted(AUTHOR, f"{domain}@waiting").encode()
        self.writer.write(text + b".\r\n")
        self.has_begun = True
        self.done[(await self.reply())[:3].decode()] += 1


async def crowd(port, recipient, told):
    done, connecting = collections.Counter(), asyncio.Semaphore(AT_ONCE)
    senders = [Sender(port, recipient, n, done) for n in range(CROWD)]

    async def go_on(s):
        await asyncio.sleep(s.number * WAIT_S / CROWD)
        async with connecting:
            await s.connect()
        while True:
            await s.message()
    tasks = [asyncio.create_task(go_on(s)) for s in senders]
    all_wait = False
    while not told.poll():
        ended = [t for t in tasks if t.done()]
        if ended:
            told.send(f"a sender failed: {ended[0].exception()!r}")
            return
        if not all_wait and all(s.has_begun for s in senders):
            told.send("waiting")
            all_wait = True
        await asyncio.sleep(0.1)
    told.recv()
    told.send(dict(done))
    for t in tasks:
        t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def play(told):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(SlowDns, local_addr=("127.0.0.1", 0))
    rspamd = await asyncio.start_server(slow_rspamd, "127.0.0.1", 0, backlog=CROWD)
    milter = await asyncio.start_server(slow_milter, "127.0.0.1", 0, backlog=CROWD)
    told.send(["127.0.0.1:%d" % s.getsockname()[1]
               for s in (transport.get_extra_info("socket"), rspamd.sockets[0], milter.sockets[0])])
    while not told.poll():
        await asyncio.sleep(0.05)
    job = told.recv()
    if job is not None:
        await crowd(*job, told)


def process(told):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(play(told))


class Waiting:
    """The process, and the addresses of its name server, its rspamd and its milter."""

    def __enter__(self):
        self.told, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=process, args=(theirs,), daemon=True)
        self.process.start()
        self.dns, self.rspamd, self.milter = self.told.recv()
        return self

    def begin(self, port, recipient):
        """Returns once all wait."""
        self.told.send((port, recipient))
        said = self.told.recv()
        if said != "waiting":
            raise OSError(said)

    def end(self):
        """Replies that were heard, and how often."""
        self.told.send("end")
        said = self.told.recv()
        if not isinstance(said, dict):
            raise OSError(said)
        return said

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
