/* cmd_setmetadata.c - SETMETADATA: a device may leave its push token, nothing else.
 * RFC 5464 4.3. */
#include "imap_metadata.h"
#include "imap_name.h"
#include "imap_reply.h"

#include "store/store_device.h"

enum { PAIRS_MAX = 20 };

struct pair {
    str_t entry, value; /* value.p NULL: NIL */
};

static bool read_pairs(struct imap_parser *in, struct pair *pairs, size_t *n)
{
    if (!imap_parser_char(in, '('))
        return false;
    imap_parser_skip_spaces(in);
    for (*n = 0; !imap_parser_peek(in, ')'); ++*n) {
        if (*n == PAIRS_MAX)
            return imap_parser_refuse(in, "METADATA TOOMANY", "too many entries");
        if (!imap_parser_astring(in, &pairs[*n].entry) || !imap_parser_space(in) ||
            !imap_parser_nstring(in, &pairs[*n].value))
            return false;
        imap_parser_skip_spaces(in);
    }
    return *n > 0 && imap_parser_char(in, ')') && imap_parser_end(in);
}

static bool is_token(str_t value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= 0x20 || (unsigned char)value.p[i] >= 0x7f)
            return false;
    return value.n > 0;
}

static enum rc put(struct imap_cmd *cmd, const struct pair *pair)
{
    if (!str_eq_nocase(pair->entry, S(IMAP_METADATA_DEVICE_TOKEN)))
        return RC_DENIED;
    /* Taking a token back is accepted without effect, as chatmail relays do: it dies by
     * itself, or when the notifier says that it is gone. */
    if (pair->value.p == NULL)
        return RC_OK;
    if (!is_token(pair->value))
        return RC_INVALID;
    return store_device_put(cmd->db, cmd->session->account, pair->value);
}

enum cmd_result cmd_setmetadata(struct imap_cmd *cmd)
{
    struct imap_parser *in = &cmd->args;
    struct pair pairs[PAIRS_MAX];
    str_t mailbox;
    size_t n;

    if (!imap_parser_space(in) || !imap_parser_astring(in, &mailbox) ||
        !imap_parser_space(in) || !read_pairs(in, pairs, &n))
        return imap_reply_args(cmd, "SETMETADATA needs a mailbox, entries and values");
    for (size_t i = 0; i < n; i++) {
        enum rc rc = put(cmd, &pairs[i]);

        if (rc == RC_LIMIT)
            return imap_reply_no(cmd, "METADATA TOOMANY", "value too long");
        if (rc == RC_INVALID)
            return imap_reply_no(cmd, "CANNOT", "that is no device token");
        if (rc != RC_OK)
            return imap_reply_rc(cmd, rc);
    }
    return imap_reply_ok(cmd, "Setmetadata completed.");
}
