/* smtp_framer_fuzz.c - a line is the same however it arrives, and never holds what it
 * must not.
 */
#include "smtp/smtp_framer.h"

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t in = str_n((const char *)data, size), whole = S(""), pieces = S("");
    enum smtp_frame frame = SMTP_FRAME_MORE, bytewise = SMTP_FRAME_MORE;
    size_t used = 0, bytewise_used = 0;
    struct smtp_framer f;

    smtp_framer_init(&f, 64);
    frame = smtp_framer_feed(&f, in, &used, &whole);
    smtp_framer_init(&f, 64);
    for (size_t n = 0; n <= size && bytewise == SMTP_FRAME_MORE; n++)
        bytewise = smtp_framer_feed(&f, str_head(in, n), &bytewise_used, &pieces);
    CHECK((frame == SMTP_FRAME_LINE) == (bytewise == SMTP_FRAME_LINE));
    if (frame != SMTP_FRAME_LINE)
        return 0;
    CHECK(used == bytewise_used && str_eq(whole, pieces) && used <= 64);
    CHECK(str_find_char(whole, '\r') == SIZE_MAX &&
          str_find_char(whole, '\n') == SIZE_MAX &&
          str_find_char(whole, '\0') == SIZE_MAX);
    return 0;
}
