/* check_traffic.c - mail from other servers, bounded in all, by client network and by the
 * sender's domain; from MAIL to the end of the message, whatever becomes of it.
 *
 * Nobody waits here for a place to become free, as maddy has it for five seconds: a
 * server that is told to come again does, and a connection less is held.
 */
#include "checks.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "ingress.h"
#include "net/traffic.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

#include <string.h>

/* The null sender is one of its own. */
static uint64_t domain_key(struct arena *a, str_t sender)
{
    unsigned char hash[CRYPTO_SHA256_BYTES];
    size_t at = sender.n;
    uint64_t key;

    while (at > 0 && sender.p[at - 1] != '@')
        at--;
    crypto_sha256(arena_str_lower(a, str_skip(sender, at)), hash);
    memcpy(&key, hash, sizeof(key));
    return key | 1;
}

enum check_result check_traffic(struct check *c)
{
    const uint64_t keys[] = { 1, c->network,
                              domain_key(c->mail->arena, c->mail->sender) };

    if (traffic_enter(c->ingress->traffic, keys, c->now_us, &c->mail->pass))
        return CHECK_PASS;
    smtp_reply_put(c->out, 451, "4.4.5", S("High load, try again later"));
    return CHECK_REFUSE;
}
