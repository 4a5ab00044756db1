"""What a DKIM signature costs: mail from one server to another, unsigned, and signed and checked.

Both run on this machine; the second is the route of the first, and finds the key in a name server
that is played here.  Counted is the CPU time of all their processes, and none of the senders'.
"""
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
import mail  # noqa: E402
import processes  # noqa: E402
from fake_dns import name_server  # noqa: E402
from product import wait_for  # noqa: E402

FROM, TO = "from.test", "to.test"
SENDERS, BODY_BYTES, ARRIVE_S = 8, 3000, 300
RECORD = re.compile(r"^(\S+)\. 3600 IN TXT (.*)$", re.M)


def records(product):
    shown = subprocess.run([product.run / "postbusctl", "dkim", "show"], check=True, text=True,
                           capture_output=True).stdout
    return {name: "".join(re.findall('"([^"]*)"', text)) for name, text in RECORD.findall(shown)}


def send(product, user, recipient, count):
    with mail.smtp(product, user) as client:
        for _ in range(count):
            client.sendmail(user, [recipient], mail.encrypted(user, size=BODY_BYTES))


def exchange(sender, receiver, count):
    """So many messages, whose receiver has them all when this returns."""
    bob = mail.new_account(receiver)
    before = int(receiver.sql("SELECT count(*) FROM message"))
    threads = [threading.Thread(target=send, args=(sender, mail.new_account(sender), bob, count // SENDERS))
               for _ in range(SENDERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wanted = before + count // SENDERS * SENDERS
    wait_for("all messages", lambda: int(receiver.sql("SELECT count(*) FROM message")) == wanted, ARRIVE_S, 0.1)


def cost(sender, receiver, count):
    """[ms of CPU] of a message, by the name of the process."""
    def cpu():
        return processes.cpu_by_name(sender.processes() + receiver.processes())
    exchange(sender, receiver, SENDERS)  # connections, caches, the key
    before = cpu()
    exchange(sender, receiver, count)
    after = cpu()
    after.subtract(before)
    return {name: 1000 * seconds / count for name, seconds in after.items()}


def measure(make, count):
    """make(domain, options) starts a server.  The costs unsigned and signed, and of an RSA-2048
    signature alone."""
    costs, zone = [], {FROM: "v=spf1 -all"}
    with name_server(txt=zone) as names:
        for signed in (False, True):
            dns = {"dns_resolver": names.address, "dns_trust_anchor_file": "none"}
            with make(TO, {**dns, "dkim": "reject" if signed else "off"}) as receiver, \
                    make(FROM, {"routes": f"{TO}=smtp://127.0.0.1:{receiver.port(2525)}",
                                "tls_ca_file": receiver.run / "secrets/tls.crt",
                                "dkim_sign": str(signed).lower()}) as sender:
                if signed:
                    wait_for("a key", lambda: any("_domainkey" in line for line in sender.output))
                    zone.update(records(sender))
                costs.append(cost(sender, receiver, count))
                if signed:
                    assert receiver.metric("smtp-ingress", 'postbus_smtp_dkim_total{result="pass"}') >= count
    return *costs, signature_ms()


def signature_ms():
    said = subprocess.run(["openssl", "speed", "-mr", "-seconds", "1", "rsa2048"], check=True, text=True,
                          capture_output=True).stdout
    # "+F2:2:2048:signatures in a second:verifications"
    line = next(line for line in said.splitlines() if line.startswith("+F2:"))
    return 1000 / float(line.split(":")[3])
