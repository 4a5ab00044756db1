"""One product for all tests that leave it as they found it."""
import os
import signal

import pytest

from product import Product

if not os.environ.get("POSTBUS_TEST_NAMESPACE"):
    raise SystemExit("these tests need a network of their own; start them by "
                     "tests/integration/run [pytest arguments]")

# Whoever tests another one sets it.
os.umask(0o022)

# A shell starts its background jobs with SIGINT ignored, and they pass that on: make would
# not hear the Ctrl-C that the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def product():
    # What a session is told within a test, it is told by hints: its own look is far away.
    with Product(options={"drain_seconds": 2, "mailbox_poll_seconds": 600,
                          "lmtp_networks": "127.0.0.0/8"}) as p:
        yield p


@pytest.fixture(scope="session")
def wide():
    """Two replicas of everything that carries sessions or mail."""
    with Product(domain="_wide.localhost",
                 replicas={"smtp-ingress": 2, "imap-gateway": 2, "queue-worker": 2},
                 options={"max_user_send_per_minute": 1000000,
                          "max_user_send_burst_size": 1000000,
                          "login_failure_delay_ms": 200, "drain_seconds": 2}) as p:
        yield p
