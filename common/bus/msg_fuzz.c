/* Frame 2 comes from whoever has the key; decoding it must be safe, and what was read
 * must survive being written again. */
#include "bus/msg.h"

#include "base/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg m, again;
    char body[1024];
    size_t n;

    if (msg_decode(str_n((const char *)data, size), &m) != RC_OK)
        return 0;
    n = msg_encode(&m, body, sizeof(body));
    CHECK(n != SIZE_MAX);
    CHECK(msg_decode(str_n(body, n), &again) == RC_OK);
    CHECK(memcmp(&m, &again, sizeof(m)) == 0);
    return 0;
}
