"""remote_actor.py DOMAIN new | send FROM TO ID [FIELD | PARAMETER] | read USER - for tests in
another network.  A FIELD is a further line of the header; what has no colon is a parameter of MAIL."""
import imaplib
import smtplib
import sys

import mail

domain, verb, *words = sys.argv[1:]


def imap(user):
    client = imaplib.IMAP4_SSL("127.0.0.1", 2993, ssl_context=mail.tls(), timeout=30)
    client.login(user, mail.PASSWORD)
    return client


if verb == "new":
    user = mail.new_name(domain)
    imap(user).logout()
    print(user)
elif verb == "send":
    sender, receiver, message_id, *more = words
    extra = "".join(f"{field}\r\n" for field in more if ":" in field)
    with smtplib.SMTP_SSL("127.0.0.1", 2465, context=mail.tls(), timeout=30) as client:
        client.login(sender, mail.PASSWORD)
        client.sendmail(sender, [receiver], mail.encrypted(
            sender, message_id, extra=extra).encode(), [word for word in more if ":" not in word])
else:
    client = imap(words[0])
    client.select("INBOX")
    for part in client.uid("FETCH", "1:*", "(RFC822)")[1]:
        if isinstance(part, tuple):
            print(part[1].decode())
