"""What we sign others verify, and what they sign we do: dkimpy and Mail::DKIM."""
import base64
import pathlib
import random
import subprocess
import time

import dkim
import pytest

from product import BUILD

HERE = pathlib.Path(__file__).parent
MESSAGES, SEED = 120, 6376
DOMAIN, SELECTOR = "_peers.test", "opendkim"
KEYS = {"rsa1024": 1024, "rsa2048": 2048, "rsa4096": 4096, "ed25519": None}


def value(draw):
    words = [draw.choice(["a", "Subject", "=?utf-8?q?=C3=A4?=", "\u00e4\u00f6", "<x@y.test>", ";b=x",
                          "v=1", "\"", ":", "."]) for _ in range(draw.randrange(0, 9))]
    return "".join(draw.choice(["", " ", "  ", "\t ", "\r\n ", " \r\n\t", "\r\n \t "]) + w
                   for w in words) + draw.choice(["", "", " ", "\t"])


def header(draw):
    names = ["To", "to", "Cc", "Subject", "SUBJECT", "Date", "Message-ID", "Received", "Received",
             "Autocrypt", "Content-Type", "Reply-To", "X-B", "In-Reply-To", "List-Id"]
    fields = [(name, value(draw)) for name in draw.sample(names, draw.randrange(len(names)))]
    fields.insert(draw.randrange(len(fields) + 1), (draw.choice(["From", "from", "FROM"]),
                                                    f"{draw.choice(['', ' ', '  '])}<a@{DOMAIN}>"))
    # A fold with nothing but blanks would end the header for some.
    return "".join(f"{n}:{v}\r\n" for n, v in fields).replace("\r\n \r\n", "\r\n").replace(
        "\r\n\t\r\n", "\r\n").replace("\r\n \t \r\n", "\r\n")


def body(draw):
    lines = [draw.choice(["", "", " ", "\t", ".", "..", ".x", " .", "x", "x y", "x  y", " x", "x ",
                          "x\t \ty\t", "\u00e4\u00df", "y" * 900, "From x", "--b", "DKIM-Signature: x"])
             for _ in range(draw.choice([0, 1, 2, 5, 30]))]
    return "".join(line + "\r\n" for line in lines + [""] * draw.choice([0, 0, 1, 3]))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("messages"), random.Random(SEED)
    files = []
    for i in range(MESSAGES):
        files.append(folder / f"{i}.eml")
        files[-1].write_bytes((header(draw) + "\r\n" + body(draw)).encode())
    return files


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    program = tmp_path_factory.mktemp("program") / "dkim_peer"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-std=c17", "-Wall", "-Werror", "-Icommon", "-o", program,
                    HERE / "dkim_peer.c", BUILD / "libcommon.a", "-lcrypto", "-lpthread"], check=True)

    def run(*arguments):
        return subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.PIPE).stdout
    return run


class Key:
    def __init__(self, folder, kind, ours):
        self.kind, self.pem, der = kind, folder / "key.pem", folder / "key.der"
        self.algorithm = "ed25519-sha256" if kind == "ed25519" else "rsa-sha256"
        how = ["ed25519"] if kind == "ed25519" else ["rsa", "-pkeyopt", f"rsa_keygen_bits:{KEYS[kind]}"]
        run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, stderr=subprocess.PIPE)
        run("genpkey", "-algorithm", *how, "-out", folder / "pkcs8.pem")
        # PKCS #1 for RSA, which both peers want and we take as well as PKCS #8.
        form = [] if kind == "ed25519" else ["-traditional"]
        run("pkey", "-in", folder / "pkcs8.pem", *form, "-out", self.pem)
        run("pkey", "-in", folder / "pkcs8.pem", *form, "-outform", "DER", "-out", der)
        self.der, self.record = der, folder / "record"
        self.record.write_bytes(ours("record", self.pem))
        self.private = (base64.b64encode(der.read_bytes()[-32:]) if kind == "ed25519"
                        else self.pem.read_bytes())


@pytest.fixture(scope="module", params=KEYS)
def key(request, tmp_path_factory, ours):
    return Key(tmp_path_factory.mktemp("key"), request.param, ours)


def split(fields):
    """The signature fields that were written one after the other."""
    return ["DKIM-Signature:" + rest for rest in fields.decode().split("DKIM-Signature:")[1:]]


def prepended(folder, fields, corpus):
    files = []
    for field, message in zip(fields, corpus, strict=True):
        files.append(folder / message.name)
        files[-1].write_bytes(field.encode() + message.read_bytes())
    return files


def spoiled(folder, files):
    """One byte is another one: in the body if there is one, else in From."""
    changed = []
    for file in files:
        data = file.read_bytes()
        text = data.rstrip(b"\r\n \t")
        at = len(text) - 1 if len(text) > data.index(b"\r\n\r\n") else data.lower().index(b"<a@") + 1
        changed.append(folder / file.name)
        changed[-1].write_bytes(data[:at] + b"!" + data[at + 1:])
    return changed


def peer(*arguments):
    return subprocess.run([HERE / "dkim_peer.pl", *map(str, arguments)], check=True,
                          stdout=subprocess.PIPE).stdout


def python_verifies(file, key):
    return dkim.verify(file.read_bytes(), dnsfunc=lambda name, timeout=5: key.record.read_bytes())


def test_others_verify_what_we_sign(corpus, ours, key, tmp_path):
    fields = split(ours("sign", DOMAIN, SELECTOR, key.der, int(time.time()), *corpus))
    assert all(len(line) <= 78 for field in fields for line in field.splitlines())
    (tmp_path / "changed").mkdir()
    signed = prepended(tmp_path, fields, corpus)
    changed = spoiled(tmp_path / "changed", signed)
    assert [f.name for f in signed if not python_verifies(f, key)] == []
    assert [f.name for f in changed if python_verifies(f, key)] == []
    lines = ours("verify", key.record, int(time.time()), *signed).decode().splitlines()
    assert set(lines) == {"pass: good signature"} and len(lines) == MESSAGES
    if key.kind != "ed25519":  # which Debian's does not know
        lines = peer("verify", key.record, *signed).decode().splitlines()
        assert set(lines) == {"pass"} and len(lines) == MESSAGES
        assert not any("pass" in line for line in peer("verify", key.record, *changed).decode().splitlines())


@pytest.mark.parametrize("header_canon", ["simple", "relaxed"])
@pytest.mark.parametrize("body_canon", ["simple", "relaxed"])
def test_we_verify_what_others_sign(corpus, ours, key, tmp_path, header_canon, body_canon):
    if key.kind == "rsa4096":  # Python takes a tenth of a second for one
        corpus = corpus[::10]
    makers = {"python": [
        dkim.sign(file.read_bytes(), SELECTOR.encode(), DOMAIN.encode(), key.private,
                  canonicalize=(header_canon.encode(), body_canon.encode()),
                  signature_algorithm=key.algorithm.encode(),
                  include_headers=None if i % 2 else [b"from", b"to", b"to", b"cc", b"subject", b"from"],
                  ).decode() for i, file in enumerate(corpus)]}
    if key.kind != "ed25519":
        makers["perl"] = split(peer("sign", DOMAIN, SELECTOR, key.pem, f"{header_canon}/{body_canon}", *corpus))
    for name, fields in makers.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "changed").mkdir()
        signed = prepended(tmp_path / name, fields, corpus)
        lines = ours("verify", key.record, int(time.time()), *signed).decode().splitlines()
        assert [(f.name, line) for f, line in zip(signed, lines, strict=True) if line != "pass: good signature"] == []
        changed = spoiled(tmp_path / name / "changed", signed)
        lines = ours("verify", key.record, int(time.time()), *changed).decode().splitlines()
        assert len(lines) == len(corpus) and set(lines) <= {
            "fail: the body was changed", "fail: the signature does not match the header"}
