"""exchange.py PORT_OFFSET - one message from a new account to another, on make run's server."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import mail  # noqa: E402

DEADLINE_S = 60


class Server:
    domain = "_postbus.localhost"

    def port(self, base, replica=0):
        return base + int(sys.argv[1])


server = Server()
sender, reader = mail.new_account(server), mail.new_account(server)
smtp, imap = mail.smtp(server, sender), mail.imap(server, reader)
smtp.sendmail(sender, [reader], mail.encrypted(sender, "first@fresh"))
until = time.monotonic() + DEADLINE_S
while imap.select("INBOX")[1] != [b"1"]:
    if time.monotonic() > until:
        sys.exit(f"no message after {DEADLINE_S} s")
    time.sleep(0.1)
assert mail.message_ids(imap) == ["first@fresh"]
