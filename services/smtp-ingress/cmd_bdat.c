/* cmd_bdat.c - BDAT: the message in chunks of known size.  RFC 3030.
 *
 * Its octets go the way of DATA and have to meet the same demands: a bare CR or LF would
 * reach a server that is told the message in DATA.  A chunk that is refused ends the
 * transaction; what was pipelined behind it is refused for its order, and its octets are
 * read over, up to what could be a message: beyond, or where a size cannot be read, the
 * connection ends, since nobody knows where the next command begins.
 */
#include "cmd_bdat.h"

#include "cmd_data.h"
#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "svc/options.h"
#include "transaction.h"

#include <inttypes.h>

static bool parse(str_t rest, uint64_t *bytes, bool *last)
{
    str_t size;

    *last = false;
    if (!str_split(&rest, ' ', &size) || !str_to_u64(size, INT64_MAX, bytes))
        return false;
    *last = str_eq_nocase(str_trim(rest), S("LAST"));
    return *last || rest.n == 0;
}

static enum cmd_result refuse_syntax(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 501, "5.5.4", S("Syntax: BDAT size [LAST]"));
    return CMD_CLOSE;
}

/* No honest client sends twice what it was told to be the limit. */
static uint64_t limit(const struct session *s)
{
    return 2 * (uint64_t)s->ingress->options->max_message_size;
}

/* All of the chunk is here. */
static enum cmd_result end_chunk(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    struct transaction *t = s->mail;

    if (s->chunk_last)
        smtp_data_finish_chunks(&t->data, t->sink, t->sink_context);
    if (s->chunk_last || t->data.faults != 0) {
        s->event = EV_END;
        return cmd_data_end(cmd);
    }
    s->event = EV_CHUNK;
    smtp_reply_printf(cmd->out, 250, "2.0.0", "%" PRIu64 " octets received",
                      s->chunk_bytes);
    return CMD_DONE;
}

enum cmd_result cmd_bdat(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    uint64_t bytes;

    if (!parse(cmd->rest, &bytes, &s->chunk_last))
        return refuse_syntax(cmd);
    if (bytes > limit(s) || s->mail->data.bytes > limit(s) - bytes)
        return cmd_data_too_big(cmd, CMD_CLOSE);
    if (s->mail->spool == NULL)
        cmd_data_begin(s, true);
    s->chunk_bytes = s->chunk_left = bytes;
    return bytes == 0 ? end_chunk(cmd) : CMD_DONE;
}

enum cmd_result cmd_bdat_feed(struct smtp_cmd *cmd, struct buf *in)
{
    struct session *s = cmd->session;
    struct transaction *t = s->mail;
    size_t n = in->n < s->chunk_left ? in->n : (size_t)s->chunk_left, used;

    (void)smtp_data_feed(&t->data, str_head(buf_str(in), n), &used, t->sink,
                         t->sink_context);
    buf_consume(in, n);
    s->chunk_left -= n;
    if ((t->data.faults & CMD_DATA_MALFORMED) != 0)
        return cmd_data_end(cmd);
    return s->chunk_left > 0 ? CMD_LATER : end_chunk(cmd);
}

enum cmd_result cmd_bdat_skip(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    uint64_t bytes;
    bool last;

    if (!parse(cmd->rest, &bytes, &last) || bytes > limit(s))
        return CMD_CLOSE;
    s->skip_bytes = bytes;
    return CMD_FAIL;
}
