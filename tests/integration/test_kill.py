"""Nothing acknowledged is lost, nothing is doubled, whatever is killed."""
import ledger


def test_two_rounds_of_kills():
    assert ledger.run(rounds=2, acknowledged=400, kills=7)
