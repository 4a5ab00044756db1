/* Both frames come from whoever has the key; reading them must be safe, and what was read
 * must survive being written again. */
#include "bus/msg.h"

#include "base/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t bytes = str_n((const char *)data, size);
    char body[1024], topic[MSG_TOPIC_BYTES];
    struct msg m, again;
    int64_t account;
    size_t n;

    if (msg_topic_read(bytes, &account)) {
        msg_topic_account(topic, account);
        CHECK(str_eq_nocase(str_of(topic), bytes));
    }
    if (msg_decode(bytes, &m) != RC_OK)
        return 0;
    n = msg_encode(&m, body, sizeof(body));
    CHECK(n != SIZE_MAX);
    CHECK(msg_decode(str_n(body, n), &again) == RC_OK);
    CHECK(memcmp(&m, &again, sizeof(m)) == 0);
    return 0;
}
