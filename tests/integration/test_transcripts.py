"""Each transcript, line by line, against the product."""
import argparse
import pathlib

import pytest

import transcript

FOLDER = pathlib.Path(__file__).parent / "transcripts"


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.txt")),
                         ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_server_answers_as_written(product, path):
    ports = {name: product.port(port) for name, port in transcript.PORTS.items()}
    arguments = argparse.Namespace(host="127.0.0.1", domain=product.domain, ports=ports)
    failure = transcript.Runner(arguments, path).run()
    assert failure is None, failure
