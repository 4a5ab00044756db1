/* qr.h - a text as QR code: picture (PNG, SVG) or lines for a terminal.
 *
 * The only door to libqrencode and libpng.  Every form has the quiet zone that readers
 * need (ISO/IEC 18004: four modules; two in the terminal, whose lines are precious).
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;

enum qr_level {
    QR_LEVEL_LOW,  /* 7 % of the code may be lost: for screens, smallest */
    QR_LEVEL_HIGH, /* 30 %: for print */
};

struct qr {
    unsigned width;              /* [modules] without quiet zone */
    const unsigned char *module; /* width * width, in rows; 1 is dark */
};

/* RC_LIMIT: the text is too long for a QR code of that level (about 1,270 bytes for
 * QR_LEVEL_HIGH).  The modules live in the arena. */
enum rc qr_encode(struct arena *a, str_t text, enum qr_level level,
                  struct qr *out) RC_CHECKED;

/* At least min_pixels wide and high, whole pixels per module.
 * RC_LIMIT: out is too small. */
enum rc qr_png(struct arena *a, const struct qr *qr, unsigned min_pixels,
               struct buf *out) RC_CHECKED;

/* One <svg> element, also fit to stand inside HTML, whose style may give it another size.
 * label is its text for people who cannot see it; it must not need escaping. */
void qr_svg(const struct qr *qr, const char *label, struct buf *out);

/* Two modules per character cell.  colour: black and white whatever the terminal's theme
 * is; without it the lines are right on a dark background. */
void qr_terminal(const struct qr *qr, bool colour, struct buf *out);
