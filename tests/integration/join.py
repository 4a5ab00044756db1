"""What a person does who joins: photograph the code on the page, and let Delta Chat have it."""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def fetch(url):
    return subprocess.run([sys.executable, HERE / "fetch.py", url], check=True,
                          capture_output=True).stdout


def scan(address, folder):
    """The text of the code that a web server shows."""
    picture = folder / "code.png"
    picture.write_bytes(fetch(f"{address}/qr.png"))
    return subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", picture], check=True,
                          capture_output=True, text=True).stdout.removesuffix("\n")


def join(domain, *codes):
    """The real client makes a profile of each code, and has logged in to both protocols."""
    codes = [[f"code {n}", text] for n, text in enumerate(codes)]
    done = subprocess.run(
        ["node", "--test", "--test-name-pattern=dclogin:", HERE / "deltachat/client.test.mjs"],
        env={**os.environ, "CLIENT_DOMAIN": domain, "CLIENT_CODES": json.dumps(codes)},
        capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and f"# pass {len(codes)}\n" in done.stdout, done.stdout
