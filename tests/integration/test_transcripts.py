"""Each protocol transcript against the running product."""
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PATHS = sorted((HERE / "transcripts").rglob("*.txt"))


@pytest.mark.parametrize("path", PATHS, ids=[f"{p.parent.name}/{p.stem}" for p in PATHS])
def test_transcript(product, path):
    done = subprocess.run([sys.executable, HERE / "transcript.py", "--domain", product.domain,
                           "--offset", str(product.offset), path],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
