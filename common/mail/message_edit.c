/* message_edit.c - the header as a list of fields, put together again at the end. */
#include "mail/message_edit.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/header.h"

struct field {
    str_t name, whole; /* without a name: it cannot be asked for */
    struct field *next;
};

struct message_edit {
    struct arena *arena;
    struct field *first;
    unsigned wishes;
    bool changed;
    str_t body;
};

struct message_edit *message_edit_new(struct arena *a, str_t message)
{
    struct message_edit *e = arena_alloc(a, sizeof(*e));
    struct field **last = &e->first;
    struct header_field f;
    struct header_iter it;

    if (header_check(message) != RC_OK)
        return NULL;
    e->arena = a;
    e->body = str_skip(message, header_end(message));
    header_init(&it, message);
    while (header_next(&it, &f)) {
        *last = arena_alloc(a, sizeof(**last));
        (*last)->name = f.name;
        (*last)->whole = f.whole;
        last = &(*last)->next;
    }
    return e;
}

/* RFC 5322 3.6.8. */
static bool is_name(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == ':' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= 256;
}

/* Each line of a folded value but the first begins with a blank and has more than blanks
 * (RFC 5322 3.2.2): else it would end the field, or the header for some readers. */
static enum rc put_value(struct buf *to, str_t value)
{
    bool first = true;
    str_t line;

    while (value.n > 0 && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
        value.n--;
    while (str_split(&value, '\n', &line)) {
        bool folds = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');

        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (!first && (!folds || str_trim(line).n == 0))
            return RC_INVALID;
        for (size_t i = 0; i < line.n; i++)
            if (line.p[i] == '\0' || line.p[i] == '\r')
                return RC_INVALID;
        if (line.n > MESSAGE_EDIT_LINE_MAX_BYTES - 300)
            return RC_LIMIT;
        if (!first)
            buf_puts(to, "\r\n");
        buf_put(to, line);
        first = false;
    }
    return RC_OK;
}

static enum rc compose(struct message_edit *e, str_t name, str_t value, str_t *out)
{
    struct buf *b = arena_buf(e->arena, HEADER_MAX_BYTES);
    enum rc rc;

    if (!is_name(name))
        return RC_INVALID;
    if (e->wishes == MESSAGE_EDIT_WISHES_MAX)
        return RC_LIMIT;
    buf_put(b, name);
    buf_putc(b, ':');
    if (value.n == 0 || (value.p[0] != ' ' && value.p[0] != '\t'))
        buf_putc(b, ' ');
    rc = put_value(b, value);
    if (rc != RC_OK)
        return rc;
    if (buf_puts(b, "\r\n") != RC_OK || b->full)
        return RC_LIMIT;
    e->wishes++;
    e->changed = true;
    *out = buf_str(b);
    return RC_OK;
}

enum rc message_edit_insert(struct message_edit *e, size_t index, str_t name, str_t value)
{
    struct field **at = &e->first, *f;
    str_t whole;
    enum rc rc = compose(e, name, value, &whole);

    if (rc != RC_OK)
        return rc;
    while (*at != NULL && index-- > 0)
        at = &(*at)->next;
    f = arena_alloc(e->arena, sizeof(*f));
    f->whole = whole;
    f->name = str_head(whole, name.n);
    f->next = *at;
    *at = f;
    return RC_OK;
}

void message_edit_hide(struct message_edit *e, str_t name)
{
    struct field *f = arena_alloc(e->arena, sizeof(*f));

    f->name = name;
    f->next = e->first;
    e->first = f;
}

static struct field **find(struct message_edit *e, size_t nth, str_t name)
{
    for (struct field **at = &e->first; *at != NULL; at = &(*at)->next)
        if (str_eq_nocase((*at)->name, name) && --nth == 0)
            return at;
    return NULL;
}

static void drop(struct message_edit *e, struct field **at)
{
    *at = (*at)->next;
    e->changed = true;
}

enum rc message_edit_change(struct message_edit *e, size_t nth, str_t name, str_t value)
{
    struct field **at;
    str_t whole;
    enum rc rc;

    if (nth == 0)
        nth = 1;
    if (!is_name(name))
        return RC_INVALID;
    at = find(e, nth, name);
    if (value.n == 0) {
        if (at != NULL)
            drop(e, at);
        return RC_OK;
    }
    if (at == NULL)
        return message_edit_insert(e, MESSAGE_EDIT_LAST, name, value);
    rc = compose(e, name, value, &whole);
    if (rc != RC_OK)
        return rc;
    (*at)->whole = whole;
    (*at)->name = str_head(whole, name.n);
    return RC_OK;
}

enum rc message_edit_remove(struct message_edit *e, str_t name)
{
    struct field **at;

    if (!is_name(name))
        return RC_INVALID;
    while ((at = find(e, 1, name)) != NULL)
        drop(e, at);
    return RC_OK;
}

static size_t bare_ends(str_t s)
{
    size_t count = 0;

    for (size_t i = 0; i < s.n; i++)
        count += s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r');
    return count;
}

enum rc message_edit_body(struct message_edit *e, str_t body, size_t max_bytes)
{
    size_t need = body.n + bare_ends(body) + 2;
    struct buf *b = arena_buf(e->arena, need);
    str_t line;

    if (need > max_bytes)
        return RC_LIMIT;
    CHECK(buf_reserve(b, need) != NULL); /* at once: growing would leave copies behind */
    while (str_split(&body, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n > MESSAGE_EDIT_LINE_MAX_BYTES - 2)
            return RC_LIMIT;
        if (str_find_char(line, '\0') != SIZE_MAX ||
            str_find_char(line, '\r') != SIZE_MAX)
            return RC_INVALID;
        buf_put(b, line);
        buf_puts(b, "\r\n");
    }
    e->body = buf_str(b);
    e->changed = true;
    return RC_OK;
}

bool message_edit_is_changed(const struct message_edit *e)
{
    return e->changed;
}

/* The last line of a message may come without its end, if there is no body. */
static enum rc put_header(const struct message_edit *e, struct buf *to)
{
    for (const struct field *f = e->first; f != NULL; f = f->next) {
        if (f->whole.n == 0)
            continue;
        buf_put(to, f->whole);
        if (f->whole.n < 2 || f->whole.p[f->whole.n - 1] != '\n')
            buf_puts(to, "\r\n");
    }
    return buf_puts(to, "\r\n");
}

enum rc message_edit_finish(struct message_edit *e, size_t max_bytes, str_t *header,
                            str_t *body)
{
    struct buf *b = arena_buf(e->arena, HEADER_MAX_BYTES);
    enum rc rc;

    if (put_header(e, b) != RC_OK || b->full)
        return RC_LIMIT;
    rc = header_check(buf_str(b));
    if (rc != RC_OK)
        return rc;
    *header = buf_str(b);
    *body = e->body;
    return header->n + body->n > max_bytes ? RC_LIMIT : RC_OK;
}
