"""spread.py HOST PORT DOMAIN - log eight new accounts in and keep them a moment."""
import imaplib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import mail  # noqa: E402

host, port, domain = sys.argv[1], int(sys.argv[2]), sys.argv[3]
open_clients = []
for _ in range(8):
    client = imaplib.IMAP4_SSL(host, port, ssl_context=mail.tls(), timeout=30)
    client.login(mail.new_name(domain), mail.PASSWORD)
    open_clients.append(client)
for client in open_clients:
    client.logout()
