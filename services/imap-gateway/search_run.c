/* search_run.c - judge the selected mailbox by a SEARCH program, turn by turn. */
#include "search_run.h"

#include "imap_reply.h"
#include "search_program.h"
#include "view.h"

#include "base/arena.h"
#include "mail/header.h"
#include "store/store_body.h"

enum {
    TURN_TRIED = 200 * 1000,      /* criteria on rows */
    TURN_FOUND = 8 * 1024,        /* numbers that may be told */
    TURN_BYTES = 2 * 1024 * 1024, /* of messages, for each criterion that reads them */
    HEAD_BYTES = 2 * STORE_BODY_SMALL_CHUNK, /* most headers are shorter */
};

/* A message that matches, or may: then want has the beginning of it. */
struct candidate {
    uint32_t row;
    struct store_body_want *want; /* NULL: it does */
};

struct turn {
    struct imap_cmd *cmd;
    const struct search_program *program;
    struct candidate *candidates;
    struct store_body_want *want;
    size_t count, want_count;
    size_t tried, bytes;
    size_t alone_bytes; /* of what no set brought */
};

static struct search_subject subject_of(const struct turn *t, size_t row)
{
    return (struct search_subject){ .arena = t->cmd->arena,
                                    .row = &t->cmd->session->view->rows[row],
                                    .number = (uint32_t)row + 1 };
}

static bool is_full(const struct turn *t)
{
    return t->tried >= TURN_TRIED || t->count == TURN_FOUND ||
           t->want_count == STORE_BODY_HEADS_MAX || t->bytes >= TURN_BYTES;
}

static size_t head_bytes(const struct turn *t)
{
    return t->program->need == SEARCH_MESSAGE ? STORE_BODY_SMALL_MAX : HEAD_BYTES;
}

static void want(struct turn *t, struct candidate *c, const struct view_row *row)
{
    size_t bytes = (size_t)row->size;

    if (t->program->need != SEARCH_MESSAGE && bytes > HEAD_BYTES)
        bytes = HEAD_BYTES;
    c->want = &t->want[t->want_count++];
    *c->want = (struct store_body_want){ row->body_id, row->size, { 0 } };
    t->bytes += bytes * t->program->reads;
}

/* From cursor->row on, as much as one turn takes. */
static void gather(struct turn *t)
{
    struct imap_cursor *cursor = t->cmd->cursor;
    const struct view *v = t->cmd->session->view;

    for (; cursor->row < v->count && !is_full(t); cursor->row++) {
        struct search_subject s = subject_of(t, cursor->row);
        int quick = search_program_quick(t->program, &s);
        struct candidate *c = &t->candidates[t->count];

        t->tried += t->program->nodes;
        if (quick < 0)
            continue;
        *c = (struct candidate){ .row = (uint32_t)cursor->row };
        if (quick == 0)
            want(t, c, s.row);
        t->count++;
    }
}

/* All of the message, or of its header, that the criteria look at. */
static enum rc complete(struct turn *t, const struct candidate *c,
                        struct search_subject *s)
{
    size_t size = (size_t)s->row->size;
    enum rc rc = RC_OK;

    s->message = c->want->head;
    if (t->program->need == SEARCH_MESSAGE && s->message.n < size)
        rc = store_body_read(s->arena, t->cmd->db, s->row->body_id, s->row->size, 0, size,
                             &s->message);
    else if (s->message.n < size && header_end(s->message) == s->message.n)
        rc = store_body_read(s->arena, t->cmd->db, s->row->body_id, s->row->size, 0,
                             HEADER_MAX_BYTES, &s->message);
    if (s->message.p != c->want->head.p)
        t->alone_bytes += s->message.n;
    s->header = str_head(s->message, header_end(s->message));
    return rc;
}

/* What has expired matches nothing. */
static enum rc judge(struct turn *t, const struct candidate *c, bool *yes)
{
    struct search_subject s = subject_of(t, c->row);
    enum rc rc;

    *yes = c->want == NULL;
    if (*yes || c->want->head.p == NULL)
        return RC_OK;
    s.arena = arena_new();
    rc = complete(t, c, &s);
    if (rc == RC_OK)
        *yes = search_program_match(t->program, &s);
    arena_free(&s.arena);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc search_run(struct imap_cmd *cmd, const struct search_program *program)
{
    struct arena *a = cmd->arena;
    struct turn t = {
        .cmd = cmd,
        .program = program,
        .candidates = arena_array(a, TURN_FOUND, sizeof(struct candidate)),
        .want = arena_array(a, STORE_BODY_HEADS_MAX, sizeof(struct store_body_want)),
    };
    enum rc rc;

    gather(&t);
    rc = store_body_heads(a, cmd->db, t.want, t.want_count, head_bytes(&t));
    for (size_t i = 0; rc == RC_OK && i < t.count; i++) {
        uint32_t row = t.candidates[i].row;
        bool yes;

        if (t.alone_bytes >= TURN_BYTES) {
            cmd->cursor->row = row;
            break;
        }
        rc = judge(&t, &t.candidates[i], &yes);
        if (rc == RC_OK && yes)
            imap_reply_text(cmd->out, " %u",
                            cmd->row->flags & ROW_UID ? cmd->session->view->rows[row].uid
                                                      : row + 1);
    }
    return rc;
}
