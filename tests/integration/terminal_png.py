"""terminal_png.py FILE - draw the half-block characters of standard input as a picture.

A terminal shows white on black: what is printed is light, what is left out is dark.
"""
import struct
import sys
import zlib

HALVES = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}
SCALE = 6

rows = []
for line in sys.stdin.read().splitlines():
    if sum(c in "\u2580\u2584\u2588" for c in line) < 10 or set(line) - set(HALVES):
        continue
    for half in (0, 1):
        rows.append([HALVES[c][half] for c in line])
width = max(map(len, rows))
raw = b""
for row in rows:
    row += [0] * (width - len(row))
    pixels = bytes(255 * bit for bit in row for _ in range(SCALE))
    raw += (b"\0" + pixels) * SCALE


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


with open(sys.argv[1], "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width * SCALE, len(rows) * SCALE, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
