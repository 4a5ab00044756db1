/* rspamd_answer_fuzz.c - whatever comes, what is kept is bounded, and can be asked for in
 * a message. */
#include "rspamd_answer.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/header.h"
#include "mail/message_edit.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct message_edit *e =
        message_edit_new(a, S("From: <a@b.example>\r\nX-Spam: no\r\n\r\nbody\r\n"));
    struct rspamd_answer answer;
    str_t header, body;

    if (rspamd_answer_parse(a, str_n((const char *)data, size), &answer) == RC_OK) {
        CHECK(answer.action < RSPAMD_ACTIONS);
        CHECK(rspamd_answer_action_name(answer.action) != NULL);
        CHECK(answer.text.n <= RSPAMD_ANSWER_TEXT_MAX_BYTES);
        for (size_t i = 0; i < answer.text.n; i++)
            CHECK(answer.text.p[i] >= ' ' && answer.text.p[i] <= '~');
        CHECK(answer.add_count <= RSPAMD_ANSWER_HEADERS_MAX);
        for (size_t i = 0; i < answer.add_count; i++)
            (void)!message_edit_insert(e, (size_t)answer.add[i].place, answer.add[i].name,
                                       answer.add[i].value);
        for (size_t i = 0; i < answer.remove_count; i++)
            (void)!message_edit_change(e, (size_t)answer.remove[i].place,
                                       answer.remove[i].name, S(""));
    }
    if (message_edit_finish(e, 1000000, &header, &body) == RC_OK) {
        CHECK(header_check(header) == RC_OK);
        CHECK(header_end(header) == header.n);
    }
    arena_free(&a);
    return 0;
}
