"""What a FETCH reads from the store, counted in its statements."""
import re
import urllib.request

import mail

LARGE = 4 * 1024 * 1024


def body_reads(product):
    url = f"http://127.0.0.1:{product.admin_port('imap-gateway')}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return sum(map(int, re.findall(r'_count\{statement="body_get(?:_all)?"\} (\d+)', text)))


def fetch(client, items):
    kind, data = client.fetch("1", items)
    assert kind == "OK" and data[0], data
    return b"".join(b"".join(part) if isinstance(part, tuple) else part for part in data)


def test_a_large_message_beside_its_structure_is_read_for_each_item_at_most(product):
    """Not anew for each slice of it that goes out."""
    user = mail.new_account(product)
    client = mail.imap(product, user)
    line = b"x" * 62 + b"\r\n"
    letter = b"Subject: large\r\n\r\n" + line * (LARGE // len(line))
    assert client.append("INBOX", None, None, letter)[0] == "OK"
    client.select("INBOX")
    before = body_reads(product)
    answer = fetch(client, "(BODYSTRUCTURE BODY.PEEK[] RFC822.SIZE BODY.PEEK[]<5.2>)")
    assert b"BODYSTRUCTURE" in answer and letter in answer
    assert re.search(rb"RFC822.SIZE %d BODY\[\]<5> \{2\}ct" % len(letter), answer)
    assert body_reads(product) - before <= 8
    # What is wanted alone goes out in slices: memory does not depend on its size.
    before = body_reads(product)
    assert letter in fetch(client, "BODY.PEEK[]")
    assert body_reads(product) - before > 8
