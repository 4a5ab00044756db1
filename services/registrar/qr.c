/* qr.c - libqrencode makes the modules, libpng the PNG; SVG and terminal need no library.
 */
#include "qr.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

#include <png.h>
#include <qrencode.h>
#include <string.h>

enum {
    QUIET_MODULES = 4,
    QUIET_TERMINAL_MODULES = 2,
    SVG_PIXELS = 8, /* for a module, where nothing else gives the picture a size */
};

static bool is_dark(const struct qr *qr, int row, int column)
{
    int width = (int)qr->width;

    if (row < 0 || column < 0 || row >= width || column >= width)
        return false; /* the quiet zone */
    return qr->module[row * width + column] != 0;
}

enum rc qr_encode(struct arena *a, str_t text, enum qr_level level, struct qr *out)
{
    QRecLevel ec = level == QR_LEVEL_HIGH ? QR_ECLEVEL_H : QR_ECLEVEL_L;
    unsigned char *module;
    size_t count;
    QRcode *code;

    if (text.n == 0 ||
        text.n > 2953) /* version 40 at level L; keeps the cast below safe */
        return RC_LIMIT;
    code = QRcode_encodeData((int)text.n, (const unsigned char *)text.p, 0, ec);
    if (code == NULL)
        return RC_LIMIT;
    count = (size_t)code->width * (size_t)code->width;
    module = arena_alloc(a, count);
    for (size_t i = 0; i < count; i++)
        module[i] = code->data[i] & 1; /* the other bits tell what a module is for */
    out->width = (unsigned)code->width;
    out->module = module;
    QRcode_free(code);
    return RC_OK;
}

enum rc qr_png(struct arena *a, const struct qr *qr, unsigned min_pixels, struct buf *out)
{
    unsigned total = qr->width + 2 * QUIET_MODULES;
    unsigned scale = min_pixels <= total ? 1 : (min_pixels + total - 1) / total;
    unsigned side = total * scale;
    unsigned char *pixels = arena_alloc(a, (size_t)side * side);
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = side,
                        .height = side,
                        .format = PNG_FORMAT_GRAY };
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
    char *room = buf_reserve(out, bytes);

    if (room == NULL)
        return RC_LIMIT;
    for (unsigned y = 0; y < side; y++)
        for (unsigned x = 0; x < side; x++)
            pixels[y * side + x] = is_dark(qr, (int)(y / scale) - QUIET_MODULES,
                                           (int)(x / scale) - QUIET_MODULES)
                                       ? 0
                                       : 255;
    if (png_image_write_to_memory(&image, room, &bytes, 0, pixels, 0, NULL) == 0)
        return RC_LIMIT;
    buf_commit(out, bytes);
    return RC_OK;
}

/* The dark modules of one row as runs: "M x y h n v1 h-n z". */
static void svg_row(const struct qr *qr, int row, struct buf *out)
{
    int width = (int)qr->width;

    for (int x = 0; x < width; x++) {
        int run = 0;

        while (x + run < width && is_dark(qr, row, x + run))
            run++;
        if (run == 0)
            continue;
        buf_printf(out, "M%d %dh%dv1h-%dz", x + QUIET_MODULES, row + QUIET_MODULES, run,
                   run);
        x += run;
    }
}

void qr_svg(const struct qr *qr, const char *label, struct buf *out)
{
    unsigned total = qr->width + 2 * QUIET_MODULES;

    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
               "viewBox=\"0 0 %u %u\" role=\"img\" aria-label=\"%s\" "
               "shape-rendering=\"crispEdges\">"
               "<path fill=\"#fff\" d=\"M0 0h%uv%uH0z\"/><path fill=\"#000\" d=\"",
               total * SVG_PIXELS, total * SVG_PIXELS, total, total, label, total, total);
    for (unsigned row = 0; row < qr->width; row++)
        svg_row(qr, (int)row, out);
    buf_puts(out, "\"/></svg>\n");
}

/* Ink is light: on a dark background the letters' colour is the paper. */
static const char *cell(bool upper_dark, bool lower_dark)
{
    if (upper_dark)
        return lower_dark ? " " : "\xe2\x96\x84";        /* lower half block */
    return lower_dark ? "\xe2\x96\x80" : "\xe2\x96\x88"; /* upper half, full block */
}

void qr_terminal(const struct qr *qr, bool colour, struct buf *out)
{
    int end = (int)qr->width + QUIET_TERMINAL_MODULES;

    for (int row = -QUIET_TERMINAL_MODULES; row < end; row += 2) {
        if (colour)
            buf_puts(out, "\033[38;5;231;48;5;16m");
        for (int column = -QUIET_TERMINAL_MODULES; column < end; column++)
            buf_puts(out, cell(is_dark(qr, row, column), is_dark(qr, row + 1, column)));
        if (colour)
            buf_puts(out, "\033[0m");
        buf_putc(out, '\n');
    }
}
