"""keep.py store|check FILE DOMAIN - a message that must survive a restart of everything."""
import imaplib
import pathlib
import smtplib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import mail  # noqa: E402
from product import wait_for  # noqa: E402

command, file, domain = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]


def inbox(user):
    client = imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=mail.tls(), timeout=30)
    client.login(user, mail.PASSWORD)
    client.select("INBOX")
    return mail.message_ids(client)


if command == "store":
    user = mail.new_name(domain)
    with smtplib.SMTP_SSL("127.0.0.1", 465, context=mail.tls(), timeout=30) as client:
        client.login(user, mail.PASSWORD)
        client.sendmail(user, [user], mail.encrypted(user, "kept@test"))
    wait_for("the message", lambda: inbox(user) == ["kept@test"])
    file.write_text(user)
else:
    assert inbox(file.read_text()) == ["kept@test"]
