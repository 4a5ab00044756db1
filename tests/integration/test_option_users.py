"""Each service, and postbusctl, that the table of options names as a user of an option reads
it: in its own folder, or in a function of common/svc that it calls."""
import re

from product import ROOT

FOLDERS = {"INGRESS": "services/smtp-ingress", "GATEWAY": "services/imap-gateway",
           "WORKER": "services/queue-worker", "SENDER": "services/remote-sender",
           "REGISTRAR": "services/registrar", "JANITOR": "services/janitor", "CTL": "cli"}
WORD = re.compile(r"\w+")


def source(folder):
    files = sorted(p for p in (ROOT / folder).iterdir() if p.suffix in (".c", ".def"))
    return "\n".join(p.read_text() for p in files if not p.name.endswith("_test.c"))


def functions():
    """name: words of its body, or of all bodies that have this name."""
    bodies = re.findall(r"^[a-z][^;{}()]*?(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", source("common/svc"),
                        re.M | re.S)
    words = {}
    for name, body in bodies:
        words.setdefault(name, set()).update(WORD.findall(body))
    return words


def reads(text, shared):
    """Words of the text, and of all that it calls in common/svc."""
    words, todo = set(), set(WORD.findall(text))
    while todo:
        word = todo.pop()
        if word not in words:
            words.add(word)
            todo |= shared.get(word, set())
    return words


def table():
    """(option, services that are named one by one); peers are read by their row."""
    text = "\n".join(p.read_text() for p in sorted((ROOT / "common/svc").rglob("*.def")))
    rows = re.findall(r'^OPTION\((\w+), (\w+), "[^"]*", \d+, \d+, "[^"]*",\s*([A-Z |]+),', text, re.M)
    assert len(rows) == len(re.findall(r"^OPTION\(", text, re.M)) > 80
    return [(name, users.split(" | ")) for kind, name, users in rows
            if kind != "PEERS" and users not in ("ALL", "SERVICES")]


def test_whoever_is_named_reads_the_option():
    shared = functions()
    words = {user: reads(source(folder), shared) for user, folder in FOLDERS.items()}
    idle = [f"{name}: {FOLDERS[user]}" for name, users in table() for user in users
            if name not in words[user]]
    assert not idle, "named as users, but it changes nothing in them:\n" + "\n".join(idle)
