#!/usr/bin/env python3
"""Measure the product as it is shipped, with the load generator on the same machine.

    run.py [--build build/release] [--seconds 60] [--quick] [--only ROW ...]

Each row prints what it measured; the table of docs/BENCH.md is made of these lines.
"""
import argparse
import os
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from product import BUILD, Product  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
SERVICES = ["smtp-ingress", "imap-gateway", "queue-worker", "remote-sender", "registrar",
            "janitor"]
OPTIONS = {"max_user_send_per_minute": 1000000, "max_user_send_burst_size": 1000000,
           "max_imap_connections": 20000, "max_smtp_connections": 20000,
           "max_connections_per_network": 20000, "new_accounts_per_minute": 0}


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in out.stdout.split()]


def pids(product):
    postmaster = product.pid("postgres")
    return [product.pid(s) for s in SERVICES] + [postmaster] + children(postmaster)


def cpu_by_name(product):
    """CPU seconds since start, of living processes and reaped children."""
    used = {}
    for pid in pids(product):
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        used[name] = used.get(name, 0) + sum(int(f) for f in fields[11:15]) / TICKS
    return used


def pss_kib(product):
    total = 0
    for pid in pids(product):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(next(l for l in rollup.splitlines() if l.startswith("Pss:")).split()[1])
    return total


def parse(line):
    return dict(pair.split("=", 1) for pair in line.split())


class Bench:
    def __init__(self, arguments):
        self.a = arguments
        self.product = Product(domain="_bench.localhost", options=OPTIONS)

    def loadgen(self, mode, **options):
        command = [str(pathlib.Path(self.a.build) / "loadgen"), mode,
                   "--imap-port", str(self.product.port(2993)),
                   "--smtp-port", str(self.product.port(2465)), "--domain", self.product.domain]
        for key, value in options.items():
            command += [f"--{key.replace('_', '-')}", str(value)]
        return command

    def measure(self, title, mode, **options):
        process = subprocess.Popen(self.loadgen(mode, **options), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        if mode != "logins":
            process.stderr.readline()  # all accounts are logged in: the row begins
        before = cpu_by_name(self.product)
        out, errors = process.communicate()
        after = cpu_by_name(self.product)
        if process.returncode != 0:
            raise SystemExit(f"{title}: {errors.strip()}")
        result = parse(out)
        result["cpu"] = {n: after[n] - before.get(n, 0) for n in after}
        queue = self.product.sql("SELECT count(*) FROM queue")
        print(f"{title}: {out.strip()} queue_left={queue}")
        messages = int(result.get("acked", 0))
        if messages:
            parts = ", ".join(f"{n} {1000 * s / messages:.2f}" for n, s in
                              sorted(result["cpu"].items(), key=lambda x: -x[1]) if s > 0.005)
            print(f"    server CPU ms per message: "
                  f"{1000 * sum(result['cpu'].values()) / messages:.2f} ({parts})", flush=True)
        return result

    def latency(self):
        for rate in (50, 200, 1000):
            self.measure(f"latency at {rate}/s", "rate", rate=rate, seconds=self.a.seconds,
                         accounts=self.a.accounts)

    def throughput(self):
        self.measure("throughput, 1 recipient", "window", window=128, seconds=self.a.seconds,
                     accounts=self.a.accounts)
        self.measure("throughput, 20 recipients", "window", window=16, recipients=20,
                     seconds=self.a.seconds, accounts=self.a.accounts)

    def logins(self):
        count = 10 * self.a.seconds
        self.measure("logins of new accounts", "logins", accounts=count * 5, prefix="new")
        self.measure("logins of known accounts", "logins", accounts=count * 5, prefix="new")

    def memory(self):
        count = min(5000, 5 * self.a.accounts)
        before = pss_kib(self.product)
        process = subprocess.Popen(self.loadgen("idle", accounts=count, prefix="idl"),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != f"idle={count}\n":
            raise SystemExit(f"memory: not all of {count} sessions could be opened")
        after = pss_kib(self.product)
        gateway = pathlib.Path(f"/proc/{self.product.pid('imap-gateway')}/smaps_rollup").read_text()
        process.communicate("\n")
        print(f"memory: {count} idle TLS sessions, PSS of all services and PostgreSQL "
              f"{before} -> {after} KiB, {(after - before) / count:.1f} KiB each; "
              f"gateway {gateway.split('Pss:')[1].split()[0]} KiB", flush=True)

    def run(self):
        rows = {"latency": self.latency, "throughput": self.throughput, "logins": self.logins,
                "memory": self.memory}
        with self.product:
            self.head()
            for name, row in rows.items():
                if not self.a.only or name in self.a.only:
                    row()

    def head(self):
        commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                                capture_output=True, text=True).stdout.strip()
        cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if "model name" in l),
                   platform.machine())
        settings = " ".join(f"{s}={self.product.sql(f'SHOW {s}')}" for s in
                            ("fsync", "synchronous_commit", "full_page_writes"))
        print(f"commit {commit}, {os.cpu_count()} x {cpu}, {settings}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default=str(BUILD))
    p.add_argument("--seconds", type=int, default=60)
    p.add_argument("--accounts", type=int, default=1000)
    p.add_argument("--quick", action="store_true", help="5 seconds and 200 accounts")
    p.add_argument("--only", nargs="*", default=[])
    a = p.parse_args()
    if a.quick:
        a.seconds, a.accounts = 5, 200
    Bench(a).run()


if __name__ == "__main__":
    main()
