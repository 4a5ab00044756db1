"""flood.py URL - ask for accounts until the server refuses; a forwarded address that a
client makes up must not help."""
import pathlib
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import mail  # noqa: E402


def ask(headers):
    request = urllib.request.Request(sys.argv[1], method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request, context=mail.tls(), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as e:
        return e.code


assert any(ask({}) == 429 for _ in range(200)), "no limit for one client's requests"
# A fresh address for each request: if these were believed, most would be answered.
answers = [ask({"X-Forwarded-For": f"203.0.113.{i}"}) for i in range(30)]
assert answers.count(429) > 15, f"a made-up address evades the limit: {answers}"
