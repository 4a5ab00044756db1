/* load_imap.c - the IMAP half of a Delta Chat: log in, wait in IDLE, fetch, delete. */
#include "load.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

static void command(struct load_client *c, enum imap_step step, const char *text)
{
    c->imap_step = step;
    peer_printf(&c->imap, "A%04u %s\r\n", ++c->tag, text);
    peer_flush(&c->imap);
}

static void prefetch(struct load_client *c)
{
    char text[400];

    c->uid_count = 0;
    snprintf(text, sizeof(text),
             "UID FETCH %" PRIu64 ":%" PRIu64 " (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS"
             " (MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID FROM CONTENT-TYPE"
             " SECURE-JOIN CHAT-VERSION CHAT-IS-POST-MESSAGE AUTOCRYPT-SETUP-MESSAGE)])",
             c->uid_next, c->uid_next + 499);
    command(c, IMAP_PREFETCH, text);
}

static void put_uids(struct load_client *c, char *to, size_t room)
{
    size_t n = 0;

    to[0] = '\0';
    for (unsigned i = 0; i < c->uid_count && n + 24 < room; i++)
        n += (size_t)snprintf(to + n, room - n, "%s%" PRIu64, i ? "," : "", c->uids[i]);
}

static void with_uids(struct load_client *c, enum imap_step step, const char *format)
{
    char set[LOAD_SEQ_SLOTS * 12], text[LOAD_SEQ_SLOTS * 12 + 64];

    put_uids(c, set, sizeof(set));
    if (step == IMAP_BODIES)
        snprintf(text, sizeof(text), "UID FETCH %s %s", set, format);
    else
        snprintf(text, sizeof(text), "UID STORE %s %s", set, format);
    c->imap_step = step;
    peer_printf(&c->imap, "A%04u ", ++c->tag);
    peer_send(&c->imap, str_of(text));
    peer_send(&c->imap, S("\r\n"));
    peer_flush(&c->imap);
}

static void select_inbox(struct load_client *c)
{
    for (size_t i = 0; i < LOAD_SEQ_SLOTS; i++)
        c->exists_us[i] = 0;
    c->uid_told = 0;
    command(c, IMAP_SELECT, "SELECT \"INBOX\"");
}

static void idle(struct load_client *c)
{
    if (!c->idle_reported) {
        c->idle_reported = true;
        load_state.idle_clients++;
    }
    command(c, IMAP_IDLE, "IDLE");
}

static void expunged(struct load_client *c)
{
    for (unsigned i = 0; i < c->uid_count; i++) {
        struct load_message *m;

        if (c->seqs[i] == UINT64_MAX)
            continue;
        m = &load_state.messages[c->seqs[i]];
        load_state.expunged++;
        if (m->left == 0)
            load_state.duplicates++;
        else
            m->left--;
    }
}

static void on_tagged_ok(struct load_client *c)
{
    switch (c->imap_step) {
    case IMAP_LOGIN:
        if (load_state.logins_only)
            load_state.on_login(c);
        else
            command(c, IMAP_ID, "ID (\"name\" \"Delta Chat\")");
        break;
    case IMAP_ID:
        command(c, IMAP_QUOTA, "GETQUOTAROOT \"INBOX\"");
        break;
    case IMAP_QUOTA:
        command(c, IMAP_METADATA,
                "GETMETADATA \"\" (/shared/comment /shared/admin "
                "/shared/vendor/deltachat/irohrelay /shared/vendor/deltachat/turn "
                "/shared/vendor/deltachat/maxsmtprecipients)");
        break;
    case IMAP_METADATA:
        select_inbox(c);
        break;
    case IMAP_SELECT:
        if (c->uid_next == 0) {
            c->uid_next = c->uid_told == 0 ? 1 : c->uid_told;
            prefetch(c);
        } else if (c->uid_told > c->uid_next) {
            prefetch(c);
        } else {
            idle(c);
        }
        break;
    case IMAP_PREFETCH:
        if (c->uid_count == 0)
            idle(c);
        else
            with_uids(c, IMAP_BODIES, "(FLAGS BODY.PEEK[])");
        break;
    case IMAP_BODIES:
        with_uids(c, IMAP_STORE, "+FLAGS (\\Deleted)");
        break;
    case IMAP_STORE:
        command(c, IMAP_CLOSE, "CLOSE");
        break;
    case IMAP_CLOSE:
        expunged(c);
        select_inbox(c);
        break;
    case IMAP_DONE:
        prefetch(c);
        break;
    case IMAP_GREETING:
    case IMAP_IDLE:
        break;
    }
}

static void on_exists(struct load_client *c, uint64_t count)
{
    int64_t now = clock_monotonic_us();

    for (uint64_t i = count < LOAD_SEQ_SLOTS ? count : LOAD_SEQ_SLOTS - 1; i > 0; i--) {
        if (c->exists_us[i] != 0)
            break;
        c->exists_us[i] = now;
    }
    if (c->imap_step == IMAP_IDLE) {
        c->imap_step = IMAP_DONE;
        peer_send(&c->imap, S("DONE\r\n"));
        peer_flush(&c->imap);
    }
}

static bool number_after(str_t line, const char *mark, uint64_t *out)
{
    size_t at = str_find(line, str_of(mark)), n = 0;

    if (at == SIZE_MAX)
        return false;
    line = str_skip(line, at + str_of(mark).n);
    while (n < line.n && line.p[n] >= '0' && line.p[n] <= '9')
        n++;
    return str_to_u64(str_head(line, n), UINT64_MAX / 2, out);
}

static void on_untagged(struct load_client *c, str_t line)
{
    uint64_t number, value;
    size_t blank;

    if (c->imap_step == IMAP_SELECT && number_after(line, "[UIDNEXT ", &value)) {
        c->uid_told = value;
        return;
    }
    blank = str_find_char(line, ' ');
    if (blank == SIZE_MAX || !str_to_u64(str_head(line, blank), UINT32_MAX, &number))
        return;
    line = str_skip(line, blank + 1);
    if (str_eq(line, S("EXISTS"))) {
        on_exists(c, number);
    } else if (str_starts(line, S("FETCH ")) && c->imap_step == IMAP_PREFETCH &&
               number_after(line, "UID ", &value) && c->uid_count < LOAD_SEQ_SLOTS) {
        c->line_seq = (unsigned)(number < LOAD_SEQ_SLOTS ? number : 0);
        c->seqs[c->uid_count] = UINT64_MAX;
        c->uids[c->uid_count++] = value;
        if (value >= c->uid_next)
            c->uid_next = value + 1;
    }
}

static void on_line(struct peer *p, str_t line)
{
    struct load_client *c = p->user;
    char tag[16];
    size_t n;

    if (c->imap_step == IMAP_GREETING) {
        char text[200];

        snprintf(text, sizeof(text), "LOGIN \"%s\" \"%s\"", c->user,
                 load_state.o.password);
        command(c, IMAP_LOGIN, text);
        return;
    }
    if (str_starts(line, S("* "))) {
        on_untagged(c, str_skip(line, 2));
        return;
    }
    n = (size_t)snprintf(tag, sizeof(tag), "A%04u OK", c->tag);
    if (str_starts(line, str_n(tag, n)))
        on_tagged_ok(c);
    else if (str_starts(line, str_n(tag, n - 2)))
        load_fail("IMAP refused", line);
}

/* A sender sends one message after the other, in the order of their numbers. */
static void note_order(const struct load_client *c, uint64_t seq)
{
    uint64_t pair = (uint64_t)load_state.messages[seq].sender << 32 | c->index;
    uintptr_t newest = (uintptr_t)map_get(load_state.newest, pair);

    if (newest > seq + 1)
        load_state.behind++;
    else
        map_set(load_state.newest, pair, (void *)(uintptr_t)(seq + 1));
}

static void on_literal(struct peer *p, str_t head)
{
    struct load_client *c = p->user;
    struct load_message *m;
    int64_t seen;
    uint64_t seq;

    if (c->imap_step != IMAP_PREFETCH || c->uid_count == 0 ||
        !message_seq(head, load_state.run, &seq) || seq >= load_state.message_count)
        return;
    m = &load_state.messages[seq];
    c->seqs[c->uid_count - 1] = seq;
    seen = c->exists_us[c->line_seq];
    if (seen == 0)
        seen = clock_monotonic_us();
    load_state.announced++;
    note_order(c, seq);
    load_sample(&load_state.exists, seen - m->dot_us);
    load_sample(&load_state.exists_due, seen - m->due_us);
}

static void on_ready(struct peer *p)
{
    (void)p;
}

static void on_closed(struct peer *p)
{
    struct load_client *c = p->user;

    load_fail("IMAP connection closed by the server", str_of(c->user));
}

const struct peer_handler load_imap_handler = { on_ready, on_line, on_literal, on_closed,
                                                .literals = true };
