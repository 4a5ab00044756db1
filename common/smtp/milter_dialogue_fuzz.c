/* milter_dialogue_fuzz.c - whatever a milter says, the dialogue ends or waits, and what
 * it wants is bounded. */
#include "smtp/milter_dialogue.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/message_edit.h"
#include "smtp/milter_packet.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct milter_dialogue *d, struct arena *a, str_t message)
{
    struct message_edit *e = message_edit_new(a, message);
    str_t header, body;
    size_t count = 0;

    for (const struct milter_wish *w = d->wishes; w != NULL; w = w->next, count++)
        (void)!(w->kind == MILTER_WISH_INSERT
                    ? message_edit_insert(e, w->index, w->name, w->value)
                    : message_edit_change(e, w->index, w->name, w->value));
    CHECK(count <= MILTER_DIALOGUE_WISHES_MAX && d->body.n <= 1000);
    if (d->has_body)
        (void)!message_edit_body(e, buf_str(&d->body), 2000);
    if (message_edit_finish(e, 1000000, &header, &body) == RC_OK)
        CHECK(header_check(header) == RC_OK && header_end(header) == header.n);
    if (d->verdict == MILTER_REPLIES)
        CHECK(d->code >= 400 && d->code <= 599);
    for (size_t i = 0; i < d->text.n; i++)
        CHECK(d->text.p[i] >= ' ' && d->text.p[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str_t recipient = STR("x@ours.example");
    static const struct milter_message about = {
        .client_name = STR("[192.0.2.1]"),
        .client_family = 'U',
        .recipients = &recipient,
        .recipient_count = 1,
        .message = STR("From: <a@b.example>\r\nX-A: 1\r\n\r\nbody\r\n"),
        .body_max_bytes = 1000,
    };
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 200000);
    struct milter_dialogue d;
    str_t in = str_n((const char *)data, size), packet;
    size_t used;
    char command;

    milter_dialogue_init(&d, a, &about);
    while (milter_dialogue_speak(&d, out) == MILTER_LISTEN &&
           milter_packet_next(in, &command, &packet, &used) == RC_OK) {
        if (milter_dialogue_hear(&d, command, packet) != RC_OK)
            break;
        in = str_skip(in, used);
        CHECK(!out->full);
        buf_clear(out);
    }
    look_at(&d, a, about.message);
    milter_dialogue_fini(&d);
    arena_free(&a);
    return 0;
}
