/* imap_command.c - the table of commands, and one command on its way through it. */
#include "imap_command.h"

#include "body_cache.h"
#include "gateway.h"
#include "hints.h"
#include "imap_reply.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "bus/bus.h"
#include "store/db.h"
#include "store/store_ids.h"
#include "svc/svc.h"

enum { TAG_MAX = 64 };

#define TIMER(command)                                                                   \
    {                                                                                    \
        .kind = METRIC_HISTOGRAM, .name = "postbus_imap_command_seconds",                \
        .labels = "command=\"" command "\"",                                             \
        .help = "Time a command takes, without waiting for a worker.",                   \
    }

static const struct imap_command rows[] = {
#define IMAP_CMD(name, handler, states, flags, capability)                               \
    { name, handler, states, flags, capability },
#include "imap_commands.def"
#undef IMAP_CMD
};

static struct metric timers[] = {
#define IMAP_CMD(name, handler, states, flags, capability) TIMER(name),
#include "imap_commands.def"
#undef IMAP_CMD
};

const struct imap_command *imap_command_rows(size_t *count)
{
    *count = ARRAY_LEN(rows);
    return rows;
}

void imap_command_register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        metric_register(&timers[i]);
}

/* The row of a name; "UID" takes a second word. */
static const struct imap_command *find(struct imap_parser *in)
{
    const char *start;
    str_t name, second;

    if (!imap_parser_atom(in, &name))
        return NULL;
    start = name.p;
    if (str_eq_nocase(name, S("UID"))) {
        if (!imap_parser_char(in, ' ') || !imap_parser_atom(in, &second))
            return NULL;
        name = str_n(start, (size_t)(in->p - start));
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq_nocase(name, str_of(rows[i].name)))
            return &rows[i];
    return NULL;
}

static const char *wrong_state(const struct imap_command *row, enum imap_state state)
{
    if (state == ST_GREETED)
        return "log in first";
    if (row->states == ST_GREETED)
        return "already logged in";
    return "select a mailbox first";
}

bool imap_command_parse(struct imap_cmd *cmd, str_t bytes)
{
    imap_parser_init(&cmd->args, cmd->arena, bytes);
    if (!imap_parser_tag(&cmd->args, &cmd->tag) || cmd->tag.n > TAG_MAX) {
        cmd->tag = S("*");
        imap_reply_bad(cmd, "a command begins with a tag");
        return false;
    }
    cmd->row = imap_parser_space(&cmd->args) ? find(&cmd->args) : NULL;
    if (cmd->row == NULL) {
        imap_reply_bad(cmd, "unknown command");
        return false;
    }
    if ((cmd->row->states & (unsigned)cmd->session->state) == 0) {
        imap_reply_bad(cmd, wrong_state(cmd->row, cmd->session->state));
        return false;
    }
    if ((cmd->row->flags & ROW_NEEDS_TLS) && !cmd->session->tls) {
        imap_reply_no(cmd, "PRIVACYREQUIRED", "start TLS first");
        return false;
    }
    return true;
}

void imap_command_look(struct imap_cmd *cmd, enum view_tell tell)
{
    struct view_look look = { .tell = tell,
                              .bodies = cmd->ahead,
                              .body_count = cmd->ahead_count };
    enum rc rc = view_refresh(cmd->session->view, cmd->arena, cmd->db, &look, cmd->out);

    /* What cannot be looked at now is looked at later: the session stays dirty. */
    cmd->still_news |= rc != RC_OK || look.held;
    cmd->mailbox_gone = rc == RC_NOT_FOUND;
    cmd->view_undone = rc == RC_CONFLICT;
    for (size_t i = 0; rc == RC_OK && i < cmd->ahead_count; i++)
        if (cmd->ahead[i].head.n == (size_t)cmd->ahead[i].size)
            body_cache_put(cmd->gateway->bodies, cmd->ahead[i].body_id,
                           cmd->ahead[i].head);
}

void imap_command_changed(struct imap_cmd *cmd, int64_t before, int64_t modseq)
{
    if (modseq == 0)
        return;
    cmd->cursor->modseq = modseq;
    cmd->still_news |= !view_moved(cmd->session->view, before, modseq);
}

void imap_command_publish(struct imap_cmd *cmd, int64_t mailbox, int64_t modseq,
                          uint32_t uidnext)
{
    struct msg m = {
        .kind = MSG_mailbox_changed,
        .mailbox_changed = {
            .account = store_ids_account_of(mailbox),
            .mailbox = mailbox,
            .modseq = modseq,
            .uidnext = uidnext,
        },
    };

    if (modseq == 0)
        return;
    cmd->session->own_modseq = modseq;
    hints_tell_others(cmd->gateway->hints, &(struct hints_news){
                                               .account = m.mailbox_changed.account,
                                               .mailbox = mailbox,
                                               .modseq = modseq,
                                           });
    if (cmd->gateway->svc->bus != NULL)
        bus_publish(cmd->gateway->svc->bus, &m);
}

static bool needs_look(const struct imap_cmd *cmd)
{
    unsigned flags = cmd->row->flags;

    if (cmd->db == NULL || cmd->session->view == NULL || cmd->cursor->started)
        return false;
    return (flags & ROW_LOOK) || (cmd->look && (flags & ROW_MAY_LOOK));
}

static enum view_tell may_tell(unsigned flags)
{
    if (flags & ROW_ONLY_ADDED)
        return VIEW_TELL_ADDED;
    return flags & ROW_MAY_EXPUNGE ? VIEW_TELL_EXPUNGES : VIEW_TELL_FLAGS;
}

static void look_first(struct imap_cmd *cmd)
{
    if (needs_look(cmd))
        imap_command_look(cmd, may_tell(cmd->row->flags));
    else if (cmd->look && !cmd->cursor->started)
        cmd->still_news = true;
}

enum cmd_result imap_command_run(struct imap_cmd *cmd)
{
    int64_t start_us = clock_monotonic_us();
    struct imap_parser args = cmd->args;
    struct imap_cursor cursor = *cmd->cursor;
    enum cmd_result result;
    size_t before;

    look_first(cmd);
    if (cmd->view_undone)
        return imap_reply_undone(cmd);
    before = cmd->out->n;
    result = cmd->row->run(cmd);
    /* The connection may have died while it lay idle: only the second time counts. */
    if (cmd->failed == RC_RETRY && (cmd->row->flags & ROW_IDEMPOTENT) &&
        result == CMD_DONE) {
        db_reset(cmd->db);
        buf_truncate(cmd->out, before);
        cmd->args = args;
        cmd->failed = RC_OK;
        *cmd->cursor = cursor;
        result = cmd->row->run(cmd);
    }
    if (cmd->failed == RC_RETRY || cmd->failed == RC_TIMEOUT)
        log_warn("imap.failed", "command=\"%s\" rc=%s sqlstate=%s", cmd->row->name,
                 rc_name(cmd->failed), db_sqlstate(cmd->db));
    if (result != CMD_AWAY)
        metric_observe_us(&timers[cmd->row - rows], clock_monotonic_us() - start_us);
    return result;
}
