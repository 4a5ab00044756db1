/* milter_packet.c - numbers in network order and texts that end in NUL. */
#include "smtp/milter_packet.h"

#include "base/buf.h"

enum { LENGTH_BYTES = 4 };

void milter_packet_u16(struct buf *to, uint16_t n)
{
    buf_putc(to, (char)(n >> 8));
    buf_putc(to, (char)n);
}

void milter_packet_u32(struct buf *to, uint32_t n)
{
    milter_packet_u16(to, (uint16_t)(n >> 16));
    milter_packet_u16(to, (uint16_t)n);
}

void milter_packet_text(struct buf *to, str_t text)
{
    str_t head;

    if (str_split(&text, '\0', &head))
        buf_put(to, head);
    buf_putc(to, '\0');
}

size_t milter_packet_begin(struct buf *to, char command)
{
    size_t begun = to->n;

    milter_packet_u32(to, 0);
    buf_putc(to, command);
    return begun;
}

void milter_packet_end(struct buf *to, size_t begun)
{
    size_t n = to->n - begun - LENGTH_BYTES;

    if (to->full)
        return;
    for (int i = 0; i < LENGTH_BYTES; i++)
        to->p[begun + (size_t)i] = (char)(n >> (24 - 8 * i));
}

bool milter_packet_take_u32(str_t *data, uint32_t *out)
{
    if (data->n < LENGTH_BYTES)
        return false;
    *out = 0;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        *out = *out << 8 | (unsigned char)data->p[i];
    *data = str_skip(*data, LENGTH_BYTES);
    return true;
}

bool milter_packet_take_text(str_t *data, str_t *out)
{
    size_t end = str_find_char(*data, '\0');

    if (end == SIZE_MAX)
        return false;
    *out = str_head(*data, end);
    *data = str_skip(*data, end + 1);
    return true;
}

enum rc milter_packet_next(str_t in, char *command, str_t *data, size_t *used)
{
    uint32_t n;

    if (!milter_packet_take_u32(&in, &n))
        return RC_RETRY;
    if (n > MILTER_PACKET_MAX_BYTES)
        return RC_LIMIT;
    if (n == 0)
        return RC_INVALID;
    if (in.n < n)
        return RC_RETRY;
    *command = in.p[0];
    *data = str_n(in.p + 1, n - 1);
    *used = LENGTH_BYTES + n;
    return RC_OK;
}
