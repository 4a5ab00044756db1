/* command_job.c - a whole command on its way to a worker and back to its loop. */
#include "command_job.h"

#include "gateway.h"
#include "imap_reply.h"
#include "view.h"

#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/spool.h"
#include "work/worker_pool.h"

#include <inttypes.h>

enum { COMMAND_MAX = 1024 * 1024 };

struct command_job *command_job_new(struct gateway *gw, struct loop *loop,
                                    struct imap_session *session, str_t bytes)
{
    struct command_job *c = mem_alloc(sizeof *c);

    c->gateway = gw;
    c->loop = loop;
    c->session = session;
    buf_init(&c->bytes, COMMAND_MAX);
    buf_init(&c->out, IMAP_REPLY_MAX);
    buf_put(&c->bytes, bytes);
    return c;
}

void command_job_free(struct command_job **c)
{
    if (*c == NULL)
        return;
    if ((*c)->bytes.n > 0)
        crypto_wipe((*c)->bytes.p, (*c)->bytes.n);
    buf_fini(&(*c)->bytes);
    buf_fini(&(*c)->out);
    spool_free(&(*c)->spool);
    view_list_forget(&(*c)->cursor.list);
    mem_free(*c);
    *c = NULL;
}

static void came_back(struct loop_post *post)
{
    struct command_job *c =
        (struct command_job *)((char *)post - offsetof(struct command_job, post));

    c->done(c);
}

static enum cmd_result run_command(struct command_job *c, struct imap_cmd *cmd)
{
    if (!imap_command_parse(cmd, buf_str(&c->bytes)))
        return CMD_DONE;
    if (c->spool != NULL && spool_finish(c->spool, &cmd->message) != RC_OK)
        return imap_reply_no(cmd, "UNAVAILABLE",
                             "too many large messages at once, try again later");
    return imap_command_run(cmd);
}

static void run(struct job *job, struct worker *w)
{
    struct command_job *c =
        (struct command_job *)((char *)job - offsetof(struct command_job, job));
    struct imap_cmd cmd = {
        .arena = w->arena,
        .db = w->context,
        .gateway = c->gateway,
        .session = c->session,
        .out = &c->out,
        .cursor = &c->cursor,
        .look = c->look,
        .ahead = c->ahead,
        .ahead_count = c->ahead_count,
    };

    log_context("session=%" PRIu64, c->session->id);
    if (c->bytes.n > 0) {
        c->result = run_command(c, &cmd);
    } else {
        imap_command_look(&cmd, VIEW_TELL_EXPUNGES);
        c->result = cmd.mailbox_gone ? CMD_CLOSE : CMD_DONE;
        if (cmd.mailbox_gone)
            imap_reply_bye(&c->out, "Mailbox was deleted");
        if (cmd.view_undone)
            c->result = imap_reply_undone(&cmd);
    }
    c->still_news = cmd.still_news;
    if (c->out.full)
        c->result = CMD_CLOSE;
    log_context_clear();
    c->post.run = came_back;
    loop_post(c->loop, &c->post);
}

enum rc command_job_submit(struct command_job *c)
{
    c->job.run = run;
    c->job.share = (uint64_t)c->session->account;
    return worker_pool_submit(c->login ? c->gateway->logins : c->gateway->commands,
                              &c->job);
}
