/* scrub.c - a table says which fields go in which case. */
#include "mail/scrub.h"

#include "base/arena.h"
#include "mail/header.h"
#include "mail/header_names.h"

enum action {
    KEEP,
    DROP,
    HIDE, /* keep the field, not what it says */
};

static const struct {
    str_t name;
    enum action action[3]; /* by enum scrub_kind */
} rules[] = {
    /*                        submission  incoming  forwarded */
    { STR("Return-Path"), { DROP, DROP, DROP } },
    { STR("Received"), { DROP, DROP, KEEP } },
    { STR("DKIM-Signature"), { DROP, DROP, KEEP } },
    { STR("Authentication-Results"), { DROP, DROP, DROP } },
    { STR("Bcc"), { DROP, DROP, DROP } },
    { STR("Resent-Bcc"), { DROP, DROP, DROP } },
    { STR("Content-Length"), { DROP, DROP, DROP } },
    { STR("X-Originating-IP"), { DROP, KEEP, KEEP } },
    { STR("X-Mailer"), { DROP, KEEP, KEEP } },
    { STR("User-Agent"), { DROP, KEEP, KEEP } },
    { STR("Subject"), { HIDE, KEEP, KEEP } },
};

/* A list that an operator makes cannot leave them out. */
static const str_t needed[] = { STR("From"), STR("Date"), STR("Message-ID"),
                                STR("MIME-Version") };

static bool is_needed(str_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (str_eq_nocase(name, needed[i]))
            return true;
    return str_starts_nocase(name, S("Content-"));
}

static enum action action_for(str_t name, enum scrub_kind kind,
                              const struct header_names *only)
{
    if (only != NULL && only->count > 0 && !header_names_has(only, name) &&
        !is_needed(name))
        return DROP;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (str_eq_nocase(rules[i].name, name))
            return rules[i].action[kind];
    }
    return KEEP;
}

static void put_missing(struct buf *header, str_t message, str_t name, str_t value)
{
    if (value.n == 0 || header_count(message, name) > 0)
        return;
    buf_put(header, name);
    buf_puts(header, ": ");
    buf_put(header, value);
    buf_puts(header, "\r\n");
}

enum rc scrub_compose(struct arena *a, enum scrub_kind kind,
                      const struct scrub_wishes *wishes, str_t return_path, str_t message,
                      struct scrub_result *out)
{
    enum rc rc = header_check(message);
    size_t body = header_end(message);
    /* Hiding a Subject can lengthen the header by a few bytes a field. */
    struct buf *header =
        arena_buf(a, body + return_path.n + wishes->trace.n + wishes->date.n +
                         wishes->message_id.n + 128 + (size_t)HEADER_MAX_FIELDS * 16);
    struct header_field field;
    struct header_iter it;

    if (rc != RC_OK)
        return rc;
    buf_puts(header, "Return-Path: <");
    buf_put(header, return_path);
    buf_puts(header, ">\r\n");
    buf_put(header, wishes->trace);
    put_missing(header, message, S("Date"), wishes->date);
    put_missing(header, message, S("Message-ID"), wishes->message_id);
    header_init(&it, message);
    while (header_next(&it, &field)) {
        enum action action = action_for(field.name, kind, wishes->only);

        if (action == KEEP)
            buf_put(header, field.whole);
        else if (action == HIDE)
            buf_puts(header, "Subject: [...]\r\n");
    }
    if (header->p[header->n - 1] != '\n') /* a message that ends within its header */
        buf_puts(header, "\r\n");
    buf_puts(header, "\r\n");
    out->header = buf_str(header);
    out->body = str_skip(message, body);
    return RC_OK;
}

str_t scrub_without_return_path(str_t message)
{
    struct header_field field;
    struct header_iter it;

    header_init(&it, message);
    if (header_next(&it, &field) && str_eq_nocase(field.name, S("Return-Path")))
        return str_skip(message, field.whole.n);
    return message;
}
