"""The real Delta Chat client, on the standard ports, in a network of its own."""
import os
import pathlib
import subprocess

from product import BUILD, ROOT

HERE = pathlib.Path(__file__).parent


def test_delta_chat():
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
                   cwd=HERE / "deltachat", check=True)
    subprocess.run([HERE / "run-client-test", BUILD], check=True, cwd=ROOT,
                   env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=900)
