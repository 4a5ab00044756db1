"""One product for all tests that leave it as they found it."""
import os

import pytest

from product import Product

if not os.environ.get("POSTBUS_NAMESPACE"):
    raise SystemExit("these tests need a network of their own; start them by "
                     "tests/integration/run [pytest arguments]")


@pytest.fixture(scope="session")
def product():
    with Product() as p:
        yield p


@pytest.fixture(scope="session")
def wide():
    """Two replicas of everything that carries sessions or mail."""
    with Product(domain="_wide.localhost",
                 replicas={"smtp-ingress": 2, "imap-gateway": 2, "queue-worker": 2},
                 options={"max_user_send_per_minute": 1000000,
                          "max_user_send_burst_size": 1000000}) as p:
        yield p
