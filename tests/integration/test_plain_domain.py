"""A domain like any other with the certificate that is made at the first start.

Delta Chat verifies certificates of such a domain strictly, so `dcaccount:` cannot work there:
all that a client needs must stand in the page's code.
"""
import os
import pathlib
import subprocess
import sys

from product import Product

HERE = pathlib.Path(__file__).parent


def test_delta_chat_joins_by_the_code_on_the_page(tmp_path):
    with Product(domain="chat.example", arguments=("--standard-ports", "--port-offset", "0")):
        picture = tmp_path / "qr.png"
        with open(picture, "wb") as out:
            subprocess.run([sys.executable, HERE / "fetch.py", "https://chat.example/qr.png"],
                           check=True, stdout=out)
        code = subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", picture], check=True,
                              capture_output=True, text=True).stdout.strip()
        assert "@chat.example?" in code and "ih=chat.example" in code and "ic=3" in code
        done = subprocess.run(
            ["node", "--test", "--test-name-pattern=dclogin:", HERE / "deltachat/client.test.mjs"],
            env={**os.environ, "CLIENT_DOMAIN": "chat.example", "CLIENT_DCLOGIN": code},
            capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and "# pass 1\n" in done.stdout, done.stdout
