"""The real Delta Chat client, on the standard ports."""
import pathlib
import subprocess

from product import BUILD, ROOT

HERE = pathlib.Path(__file__).parent


def test_delta_chat():
    subprocess.run([HERE / "run-client-test", BUILD], check=True, cwd=ROOT, timeout=900)
