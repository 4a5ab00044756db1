"""shown_codes.py RUN OUTPUT URL - every code that a local run shows, as zbarimg reads it.

RUN is the run's folder, OUTPUT what it printed, URL its web address.  Prints a JSON list of
[where it is shown, its text].
"""
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
run, output, url = sys.argv[1:]


def fetch(path):
    return subprocess.run([sys.executable, HERE / "fetch.py", url + path], check=True,
                          capture_output=True).stdout


def read(name, picture=None):
    file = folder / name
    if picture is not None:
        file.write_bytes(picture)
    return subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", file], check=True,
                          capture_output=True, text=True).stdout.removesuffix("\n")


def drawn(name, text, *theme):
    """What a terminal shows, read from its picture; the line below says the same."""
    subprocess.run([sys.executable, HERE / "terminal_png.py", folder / name, *theme],
                   input=text.encode(), check=True)
    code = read(name)
    assert code in text.splitlines(), f"the terminal shows {code} and says something else: {text}"
    return code


def in_colour():
    """What the registrar writes to a terminal of its own."""
    pid = (pathlib.Path(run) / "registrar.pid").read_text().strip()
    registrar = os.readlink(f"/proc/{pid}/exe")
    words = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    environment = dict(word.split(b"=", 1) for word in words if b"=" in word)
    environment.pop(b"NO_COLOR", None)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([registrar, "--print-invite"], env=environment, stdout=theirs)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # EIO: the other end is closed
        pass
    assert process.wait(30) == 0 and b"\033[" in text
    return text.decode()


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    page = fetch("/").decode()
    print(json.dumps([
        ["the start page", read("page.svg", re.search(r"<svg.*?</svg>", page, re.S)[0].encode())],
        ["the PNG", read("code.png", fetch("/qr.png"))],
        ["the SVG", read("code.svg", fetch("/qr.svg"))],
        ["the terminal", drawn("plain.png", pathlib.Path(output).read_text())],
        ["the terminal in colour", drawn("colour.png", in_colour(), "light")],
    ]))
