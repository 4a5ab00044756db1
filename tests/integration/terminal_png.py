"""terminal_png.py FILE [light] - draw the half-block characters of standard input as a picture.

As a terminal does: what is printed has the foreground's colour, what is left out the
background's.  Unless the text says otherwise these are white on black; light: black on white.
"""
import re
import struct
import sys
import zlib

HALVES = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}
SCALE = 6
BLACK, WHITE = 0, 255
PALETTE = {"16": BLACK, "231": WHITE}  # of the 256 colours of a terminal
THEME = (BLACK, WHITE) if sys.argv[2:] == ["light"] else (WHITE, BLACK)
SGR = re.compile("\033\\[([0-9;]*)m")


def cells(line):
    """(character, foreground, background) of each column."""
    front, back = THEME
    for at, piece in enumerate(SGR.split(line)):
        if at % 2 == 0:
            yield from ((c, front, back) for c in piece)
        elif piece in ("", "0"):
            front, back = THEME
        else:
            colours = re.fullmatch(r"38;5;(\d+);48;5;(\d+)", piece)
            front, back = PALETTE[colours[1]], PALETTE[colours[2]]


rows = []
for line in sys.stdin.read().splitlines():
    shown = list(cells(line))
    if sum(c in "\u2580\u2584\u2588" for c, _, _ in shown) < 10 or {c for c, _, _ in shown} - set(HALVES):
        continue
    for half in (0, 1):
        rows.append([front if HALVES[c][half] else back for c, front, back in shown])
width = max(map(len, rows))
raw = b""
for row in rows:
    row += [THEME[1]] * (width - len(row))
    pixels = bytes(value for value in row for _ in range(SCALE))
    raw += (b"\0" + pixels) * SCALE


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


with open(sys.argv[1], "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width * SCALE, len(rows) * SCALE, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
