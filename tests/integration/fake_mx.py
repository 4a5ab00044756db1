"""fake_mx.py FOLDER NAME=ADDRESS:PORT... - mail hosts that write down what they are told.

Each host speaks STARTTLS with NAME.pem (key and certificate, read for each connection) and
offers none without that file, and REQUIRETLS under TLS where there is a NAME.requiretls.  Every command line goes to NAME.journal, in order, with
"tls " before it when it was encrypted; messages go there, too.
"""
import pathlib
import socketserver
import ssl
import sys
import threading

folder = pathlib.Path(sys.argv[1])


class Session(socketserver.BaseRequestHandler):
    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def note(self, line):
        with open(folder / f"{self.server.name}.journal", "a") as journal:
            journal.write(("tls " if self.over_tls else "") + line.rstrip("\r\n") + "\n")

    def use(self, socket):
        self.socket, self.lines = socket, socket.makefile("r", newline="\r\n")

    def handle(self):
        self.pem, self.over_tls = folder / f"{self.server.name}.pem", False
        self.use(self.request)
        self.say("220 fake")
        try:
            while line := self.lines.readline():
                self.note(line)
                if not self.answer(line.upper().split()[0]):
                    return
        except OSError as e:
            self.note(f"ended: {e}")

    def answer(self, verb):
        if verb == "EHLO":
            offers = self.pem.exists() and not self.over_tls
            promises = self.over_tls and (folder / f"{self.server.name}.requiretls").exists()
            word = "STARTTLS" if offers else "REQUIRETLS" if promises else None
            self.say(f"250-fake\r\n250 {word}" if word else "250 fake")
        elif verb == "STARTTLS":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.pem)
            self.say("220 go")
            self.use(context.wrap_socket(self.socket, server_side=True))
            self.over_tls = True
        elif verb == "DATA":
            self.say("354 go")
            for line in iter(self.lines.readline, ".\r\n"):
                self.note(line)
            self.say("250 taken")
        else:
            self.say("221 bye" if verb == "QUIT" else "250 ok")
        return verb != "QUIT"


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


for word in sys.argv[2:]:
    name, _, where = word.partition("=")
    address, _, port = where.partition(":")
    server = Server((address, int(port)), Session)
    server.name = name
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
