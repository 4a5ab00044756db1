/* proxy_protocol_fuzz.c - the header parser under hostile bytes, whole and in pieces. */
#include "net/proxy_protocol.h"

#include "base/log.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t all = str_n((const char *)data, size);
    struct proxy_protocol client = { 0 }, again;
    size_t used = 0, used_again = 0;
    enum proxy_protocol_result whole = proxy_protocol_parse(all, &client, &used);
    char text[ADDR_TEXT_BYTES];

    if (whole == PROXY_PROTOCOL_MORE || whole == PROXY_PROTOCOL_BAD)
        return 0;
    CHECK(used >= 16 && used <= size && used <= PROXY_PROTOCOL_MAX_BYTES);
    if (whole == PROXY_PROTOCOL_ADDRESS)
        CHECK(addr_text(&client.client, text)[0] != '-');
    /* Every shorter prefix asks for more, and the header alone gives the same. */
    for (size_t n = 0; n < used; n++)
        CHECK(proxy_protocol_parse(str_head(all, n), &again, &used_again) ==
              PROXY_PROTOCOL_MORE);
    CHECK(proxy_protocol_parse(str_head(all, used), &again, &used_again) == whole);
    CHECK(used_again == used);
    return 0;
}
