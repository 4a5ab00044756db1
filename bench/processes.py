"""Whose processes are where, and what they use."""
import os
import pathlib
from collections import Counter, namedtuple

TICKS = os.sysconf("SC_CLK_TCK")
# cpu_s is of the process and of the children that it has reaped.
Process = namedtuple("Process", "pid parent session name cpu_s")


def everything():
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        found.append(Process(int(entry.name), int(fields[1]), int(fields[3]), name,
                             sum(map(int, fields[11:15])) / TICKS))
    return found


def cpu_by_name(processes):
    """CPU seconds since start.  The difference of two looks is right in its sum alone where
    processes come and go: a name loses what its ended processes had used, to their parent."""
    used = Counter()
    for p in processes:
        used[p.name] += p.cpu_s
    return used


def pss_by_name(processes):
    """KiB of memory, what is shared divided among those who share it."""
    used = Counter()
    for p in processes:
        try:
            rollup = pathlib.Path(f"/proc/{p.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        used[p.name] += int(rollup.split("\nPss:")[1].split()[0])
    return used
