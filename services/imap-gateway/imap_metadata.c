/* imap_metadata.c - METADATA entries: which there are and what they say. */
#include "imap_metadata.h"

#include "gateway.h"

#include "base/arena.h"
#include "base/buf.h"
#include "store/store_device.h"
#include "svc/options.h"

#include <inttypes.h>

enum metadata_for { METADATA_ANY, METADATA_SERVER };

typedef enum rc value_fn(struct imap_cmd *cmd, str_t *value);

/* All valid tokens with blanks between, the oldest first; an empty value for none. */
static enum rc device_tokens(struct imap_cmd *cmd, str_t *value)
{
    struct buf *text = arena_buf(cmd->arena, (size_t)STORE_DEVICE_TOKENS_MAX *
                                                 (STORE_DEVICE_TOKEN_BYTES_MAX + 1));
    str_t *tokens;
    size_t n;
    enum rc rc =
        store_device_list(cmd->arena, cmd->db, cmd->session->account, &tokens, &n);

    if (rc != RC_OK)
        return rc;
    for (size_t i = n; i > 0; i--) {
        if (text->n > 0)
            buf_putc(text, ' ');
        buf_put(text, tokens[i - 1]);
    }
    *value = text->n > 0 ? buf_str(text) : S("");
    return RC_OK;
}

static enum rc admin(struct imap_cmd *cmd, str_t *value)
{
    const char *mail = cmd->gateway->options->privacy_mail;

    if (mail[0] != '\0')
        *value = str_of(arena_printf(cmd->arena, "mailto:%s", mail));
    return RC_OK;
}

static enum rc iroh_relay(struct imap_cmd *cmd, str_t *value)
{
    const char *url = cmd->gateway->options->iroh_relay;

    if (url[0] != '\0')
        *value = str_of(url);
    return RC_OK;
}

static enum rc max_recipients(struct imap_cmd *cmd, str_t *value)
{
    *value = str_of(
        arena_printf(cmd->arena, "%" PRId64, cmd->gateway->options->max_recipients));
    return RC_OK;
}

static const struct {
    const char *entry;
    enum metadata_for scope;
    value_fn *value;
} keys[] = {
#define METADATA_KEY(entry, scope, value) { entry, scope, value },
#include "metadata_keys.def"
#undef METADATA_KEY
};

enum rc imap_metadata_get(struct imap_cmd *cmd, str_t mailbox, str_t entry, str_t *value)
{
    *value = str_n(NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq_nocase(entry, str_of(keys[i].entry)) &&
            (keys[i].scope == METADATA_ANY || mailbox.n == 0))
            return keys[i].value(cmd, value);
    return RC_OK;
}
