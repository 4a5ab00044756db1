#!/usr/bin/env python3
"""Measure the product as it is shipped, with the load generator on the same machine.

    run.py [--build build/release] [--seconds 60] [--quick] [--only ROWS ...] [--beside]

Each row prints what it measured; the table of docs/BENCH.md is made of these lines.  Rows that
belong together begin with a server that was just started.  --beside drives Postfix and Dovecot
with the same rows, each time right after the product, and prints the quotients.
"""
import argparse
import os
import pathlib
import platform
import signal
import subprocess
import sys
import threading
import time

import processes
import share
import signing
import waiting
from reference import PASSWORD, Reference

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import mail  # noqa: E402
from product import BUILD, Product  # noqa: E402

SERVICES = ["smtp-ingress", "imap-gateway", "queue-worker", "remote-sender", "registrar",
            "janitor"]
OPTIONS = {"max_user_send_per_minute": 1000000, "max_user_send_burst_size": 1000000,
           "max_imap_connections": 20000, "max_smtp_connections": 20000,
           "max_connections_per_network": 20000, "new_accounts_per_minute": 0}
# What a row may take besides its seconds: logging in before, and waiting for stragglers.
SLACK_S = 300
# What can be compared: how soon at the same rate, or how much where each does what it can.
COMPARED = {"rate": ["due_ack_p50", "due_ack_p99", "due_exists_p50", "due_exists_p99",
                     "cpu_ms"],
            "window": ["per_second", "copies_per_second", "cpu_ms"],
            "logins": ["per_second", "cpu_ms"],
            "idle": ["kib_each"],
            "share": ["select_p50", "select_p99"]}
# None of these may be above 0.
FAULTS = ["missing", "duplicates", "behind", "failed", "queue_left"]
# The least speed of the walk over OpenPGP packets, and the most memory of a judgement.
WALK_MB_PER_S, WALK_KIB = 300, 64
# What a signed message may cost more than an unsigned one: its signature, and all else.
SIGNATURE_MS, SIGNED_MORE_MS = 0.8, 0.3


class Postbus(Product):
    """The product, as what is measured.  Reference has the same members."""

    name = "Postbus"
    idle_settles_s = 0
    options = OPTIONS

    def __init__(self, workers=1):
        super().__init__(domain="_bench.localhost", options=self.options,
                         replicas={"queue-worker": workers})
        self.imap_port, self.smtp_port = self.port(2993), self.port(2465)
        self.services = SERVICES + [f"queue-worker-{i}" for i in range(2, workers + 1)]

    def processes(self):
        postmaster = self.pid("postgres")
        own = {postmaster, *(self.pid(s) for s in self.services)}
        return [p for p in processes.everything() if p.pid in own or p.parent == postmaster]

    def queue_left(self):
        return int(self.sql("SELECT count(*) FROM queue"))

    def about(self):
        return " ".join(f"{s}={self.sql(f'SHOW {s}')}" for s in
                        ("fsync", "synchronous_commit", "full_page_writes"))


class AsShipped(Postbus):
    """Whose limits are the defaults."""

    options = {}
    # What each door of loadgen leads to.
    DOORS = {"smtp": 2525, "submissions": 2465, "imaps": 2993, "https": 8443}


class Judging(Postbus):
    """Who is asked about mail of other servers takes ten seconds."""

    def __init__(self):
        self.waiting = waiting.Waiting().__enter__()
        self.options = {**OPTIONS, "judge_seconds": 60, **self.asked()}
        super().__init__()

    def __exit__(self, *exc):
        self.waiting.__exit__()
        super().__exit__(*exc)


class JudgingByDns(Judging):
    def asked(self):
        return {"require_mx_record": "reject", "dns_resolver": self.waiting.dns,
                "dns_trust_anchor_file": "none"}


class JudgingByRspamd(Judging):
    def asked(self):
        return {"rspamd_url": f"http://{self.waiting.rspamd}", "rspamd_seconds": 60}


class JudgingByMilter(Judging):
    def asked(self):
        return {"milters": f"inet:{self.waiting.milter}", "milter_seconds": 60}


class Neighbour(Postbus):
    """One of two."""

    def __init__(self, domain, options):
        Product.__init__(self, domain=domain, options={**OPTIONS, **options})
        self.services = SERVICES


class Nobody:
    """What is measured without a server."""

    name, domain, imap_port, smtp_port = "alone", "_nobody.localhost", 1, 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def about(self):
        return "no server, one core"


class Nothing:
    """A server that only answers: what is reached with it is the load generator's ceiling."""

    name = "loadgen's own server"
    domain, imap_port, smtp_port = "_nothing.localhost", 24993, 24465
    idle_settles_s = 0

    def __init__(self, build):
        self.command = [str(pathlib.Path(build) / "loadgen"), "sink",
                        "--imap-port", str(self.imap_port), "--smtp-port", str(self.smtp_port)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "sink\n":
            raise SystemExit("loadgen's own server did not start")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def processes(self):
        return [p for p in processes.everything() if p.pid == self.process.pid]

    def queue_left(self):
        return 0

    def about(self):
        return "checks nothing and stores nothing, on the same cores"


class RowFailed(Exception):
    pass


class LoadGenerator:
    """One run of loadgen, ended at its deadline whatever it waits for."""

    def __init__(self, build, server, mode, seconds, options):
        command = [str(pathlib.Path(build) / "loadgen"), mode,
                   "--imap-port", str(server.imap_port), "--smtp-port", str(server.smtp_port),
                   "--domain", server.domain, "--password", PASSWORD]
        for key, value in options.items():
            command += [f"--{key}"] if value is True else [f"--{key}", str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.deadline = threading.Timer(seconds + SLACK_S, self.process.kill)

    def __enter__(self):
        self.deadline.start()
        return self

    def __exit__(self, *_):
        self.deadline.cancel()
        self.process.kill()
        self.process.wait()

    def wait_for(self, words, otherwise):
        line = self.process.stderr.readline()
        if words not in line:
            raise RowFailed(line.strip() or otherwise)

    def wait_logged_in(self):
        self.wait_for("accounts in IDLE", "not all accounts could log in in time")

    def result(self):
        out, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise RowFailed(errors.strip() or "not done in time")
        return out.strip()


def parse(line):
    return {key: float(value) for key, value in (pair.split("=", 1) for pair in line.split())}


def by_size(used, unit, least):
    return ", ".join(f"{name} {unit(n)}" for name, n in sorted(used.items(), key=lambda x: -x[1])
                     if n > least)


class Bench:
    def __init__(self, arguments):
        self.a = arguments
        self.at_most = {}  # messages a second, of each server
        self.faults = []   # of the product: what makes its figures worthless

    def rows(self):
        """Groups of rows, each a title, a mode of loadgen and its options."""
        a = self.a
        timed = {"seconds": a.seconds, "accounts": a.accounts}
        new = {"accounts": 50 * a.seconds, "prefix": "new"}
        return {
            "throughput": [
                ("throughput, 1 recipient", "window", {"window": 128, **timed}),
                ("throughput, 20 recipients", "window",
                 {"window": 16, "recipients": 20, **timed})],
            # Each sends to its neighbour, one message after the other, to two workers.
            "order": [("order, ten pairs", "window",
                       {**timed, "window": 64, "accounts": 20, "pairs": True})],
            "latency": [(f"latency at {rate}/s", "rate", {"rate": rate, **timed})
                        for rate in (50, 200, 1000)],
            "logins": [("logins of new accounts", "logins", new),
                       ("logins of known accounts", "logins", new)],
            "memory": [("memory", "idle",
                        {"accounts": min(5000, 5 * a.accounts), "prefix": "idl"})],
            "share": [(f"a stranger's SELECT beside {share.SESSIONS} {name}", "share",
                       {"command": name}) for name in share.COMMANDS],
            "door": [(f"door, {door}", "door",
                      {"door": door, "accounts": 9 * a.accounts, "rate": 10,
                       "seconds": a.seconds}) for door in AsShipped.DOORS],
            **{name: [(f"EXISTS beside {waiting.CROWD} messages that wait for {whom}", "judging",
                       {"rate": 50, **timed})]
               for name, whom in (("judging", "the DNS"), ("rspamd", "rspamd"), ("milter", "a milter"))},
            "dkim": [("a message from server to server, unsigned and signed", "dkim",
                      {"count": 100 * min(20, a.seconds)})],
            "walk": [("a message of 26 MB is encrypted", "walk", {"seconds": min(10, a.seconds)})],
        }

    def loadgen(self, server, mode, options):
        return LoadGenerator(self.a.build, server, mode, self.a.seconds, options)

    def row(self, server, title, mode, options):
        """What the row measured; None: the server cannot do it, which is said."""
        rate, most = options.get("rate", 0), self.at_most.get(server.name)
        if most is not None and rate > most:
            print(f"{server.name}, {title}: cannot: {most:.0f}/s at most")
            return None
        try:
            how = {"idle": self.memory, "share": self.share,
                   "door": self.door, "judging": self.judging,
                   "walk": self.walk, "dkim": self.dkim}.get(mode, self.measure)
            return how(server, title, mode, options)
        except (RowFailed, OSError) as e:
            if isinstance(server, Postbus):
                raise SystemExit(f"{title}: {e}") from None
            print(f"{server.name}, {title}: cannot: {e}")
            return None

    def measure(self, server, title, mode, options, faults=FAULTS):
        with self.loadgen(server, mode, options) as generator:
            if mode != "logins":
                generator.wait_logged_in()
            before = processes.cpu_by_name(server.processes())
            out = generator.result()
            after = processes.cpu_by_name(server.processes())
        result = parse(out)
        after.subtract(before)
        count = result["acked" if "acked" in result else "logins"]
        result["queue_left"] = server.queue_left()
        print(f"{server.name}, {title}: {out} queue_left={result['queue_left']}")
        if isinstance(server, Postbus):
            self.faults += [f"{title}: {fault}={result[fault]:.0f}" for fault in faults
                            if result.get(fault, 0) > 0]
        if count:
            result["cpu_ms"] = 1000 * sum(after.values()) / count
            parts = by_size(after, lambda s: f"{1000 * s / count:.2f}", 0.005)
            print(f"    server CPU ms for each: {result['cpu_ms']:.2f} ({parts})")
        if mode == "window" and not {"recipients", "pairs"} & options.keys():
            self.at_most[server.name] = result["per_second"]
        return result

    def memory(self, server, title, mode, options):
        count = options["accounts"]
        before = sum(processes.pss_by_name(server.processes()).values())
        with self.loadgen(server, mode, options) as generator:
            generator.wait_logged_in()
            time.sleep(server.idle_settles_s)
            parts = processes.pss_by_name(server.processes())
            generator.process.communicate("\n")
        after = sum(parts.values())
        result = {"kib_each": (after - before) / count}
        print(f"{server.name}, {title}: {count} idle TLS sessions, PSS of all processes "
              f"{before} -> {after} KiB, {result['kib_each']:.1f} KiB each "
              f"({by_size(parts, str, after / 100)})")
        return result

    def share(self, server, title, mode, options):
        if not self.filled:
            share.fill(server, PASSWORD)
            self.filled = True
        result = share.measure(server, PASSWORD, options["command"], self.a.seconds)
        print(f"{server.name}, {title}: " + " ".join(f"{k}={v:.3g}" for k, v in result.items()))
        return result

    def door(self, server, title, mode, options):
        """How long it takes to get in while many stand in the door."""
        server.smtp_port = server.port(server.DOORS[options["door"]])
        before = processes.pss_by_name(server.processes())
        with self.loadgen(server, mode, options) as generator:
            generator.wait_for("slow connections", "the door could not be filled")
            after = processes.pss_by_name(server.processes())
            out = generator.result()
        after.subtract(before)
        result = parse(out)
        print(f"{server.name}, {title}: {out}")
        print(f"    PSS grew by KiB: {by_size(after, str, 1000)}")
        if result["failed"]:
            self.faults.append(f"{title}: failed={result['failed']:.0f}")
        return result

    def judging(self, server, title, mode, options):
        """How soon others have their mail, without those that wait and beside them."""
        alone = self.measure(server, "EXISTS", "rate", options)
        server.waiting.begin(server.port(2525), mail.new_account(server))
        waited = server.metric("smtp-ingress", "postbus_smtp_waiting_messages")
        # What is in the queue then may be theirs.
        beside = self.measure(server, title, "rate", options, FAULTS[:-1])
        heard = server.waiting.end()
        result = {f"{key}_ratio": beside[key] / alone[key] for key in ("due_exists_p50", "due_exists_p99")}
        print(f"    {waited:.0f} waited; beside : alone = "
              f"{', '.join(f'{k[:-6]} {v:.2f}' for k, v in result.items())}; they heard {heard}")
        if result["due_exists_p50_ratio"] > 2 or waited < 0.9 * waiting.CROWD or set(heard) != {"250"}:
            self.faults.append(f"{title}: {result['due_exists_p50_ratio']:.2f} times the idle figure, "
                               f"{waited:.0f} waited, {heard}")
        return result

    def walk(self, server, title, mode, options):
        with self.loadgen(server, mode, options) as generator:
            out = generator.result()
        result = parse(out)
        print(f"{server.name}, {title}: {out}")
        if result["walk_mb_per_s"] < WALK_MB_PER_S or result["judge_kib"] > WALK_KIB:
            self.faults.append(f"{title}: {out}")
        return result

    def dkim(self, server, title, mode, options):
        """What signing, and checking it, adds to the CPU time of a message."""
        unsigned, signed, signature = signing.measure(Neighbour, options["count"])
        result = {"unsigned_ms": sum(unsigned.values()), "signed_ms": sum(signed.values()),
                  "signature_ms": signature}
        more = result["signed_ms"] - result["unsigned_ms"]
        print(f"{title}: messages={options['count']} " + " ".join(f"{k}={v:.3f}" for k, v in result.items()) +
              f" more={more:.3f}")
        print(f"    unsigned ({by_size(unsigned, lambda ms: f'{ms:.2f}', 0.005)}), "
              f"signed ({by_size(signed, lambda ms: f'{ms:.2f}', 0.005)})")
        if more > SIGNATURE_MS + SIGNED_MORE_MS:
            self.faults.append(f"{title}: {more:.2f} ms more")
        return result

    def group(self, make, name, rows):
        """The rows against one server just started."""
        if name == "latency" and make.name not in self.at_most:
            # Rates that are too high are left out, so the highest must be known.
            with make() as server:
                self.row(server, "throughput, 5 seconds", "window",
                         {"window": 128, "seconds": 5, "accounts": self.a.accounts})
        self.filled = False  # the heavy account's mailbox
        with make(workers=2) if (name, make) == ("order", Postbus) else make() as server:
            print(f"{server.name}: {server.about()}")
            return [self.row(server, *row) for row in rows]

    def compare(self, row, product, reference):
        title, mode, _ = row
        if product is None or reference is None:
            return
        if product.get("missing") or reference.get("missing"):
            print(f"{title}: not compared, as messages are missing")
            return
        quotients = [f"{key} {product[key] / reference[key]:.3g}" for key in COMPARED[mode]
                     if reference.get(key, 0) > 0]
        print(f"{title}, {Postbus.name} : {Reference.name} = {', '.join(quotients)}")

    def ceiling(self):
        with Nothing(self.a.build) as server:
            print(f"{server.name}: {server.about()}")
            self.row(server, "ceiling", "window",
                     {"window": 128, "seconds": min(10, self.a.seconds),
                      "accounts": self.a.accounts})

    def run(self):
        servers = [Postbus, Reference] if self.a.beside else [Postbus]
        # There are no such rows for the reference.
        alone = {"door": [AsShipped], "judging": [JudgingByDns], "rspamd": [JudgingByRspamd],
                 "milter": [JudgingByMilter],
                 "walk": [Nobody], "dkim": [Nobody]}
        self.head()
        if not self.a.only or "throughput" in self.a.only:
            self.ceiling()
        for name, rows in self.rows().items():
            if self.a.only and name not in self.a.only:
                continue
            results = [self.group(make, name, rows) for make in alone.get(name, servers)]
            if len(results) > 1:
                for row, *pair in zip(rows, *results):
                    self.compare(row, *pair)
        if self.faults:
            raise SystemExit("not as it must be: " + "; ".join(self.faults))

    def head(self):
        commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                                capture_output=True, text=True).stdout.strip()
        cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if "model name" in l),
                   platform.machine())
        print(f"commit {commit}, {os.cpu_count()} x {cpu}")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default=str(BUILD))
    p.add_argument("--seconds", type=int, default=60)
    p.add_argument("--accounts", type=int, default=1000)
    p.add_argument("--quick", action="store_true", help="5 seconds and 200 accounts")
    p.add_argument("--only", nargs="*", default=[])
    p.add_argument("--beside", action="store_true", help="Postfix and Dovecot as well")
    a = p.parse_args()
    if a.quick:
        a.seconds, a.accounts = 5, 200
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Bench(a).run()


if __name__ == "__main__":
    main()
