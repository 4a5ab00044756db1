/* hints.h - which loops hold sessions of an account, and the bus subscriptions for them.
 *
 * The first login of a range of accounts subscribes to that range, for as long as the
 * process lives.  So most logins cost no subscription; hints about accounts without a
 * session here are for hints_wants to drop.  What the bus brings goes to the loops that
 * have sessions of the account.  Thread: any; one lock inside, held for moments.
 */
#pragma once

#include "base/rc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct hints;

struct hints_news {
    int64_t account;
    int64_t mailbox; /* 0: the account itself */
    int64_t modseq;
    int64_t body;  /* of the newest message; 0: not told */
    uint32_t size; /* of that body [bytes] */
    bool removed;  /* the account is gone: its sessions end */
};

struct hints_options {
    struct bus *bus; /* NULL: none, for tests */
    size_t sessions_per_account;
    void *user;
    /* For each loop with sessions of the account; must not block. */
    void (*deliver)(void *user, size_t loop, const struct hints_news *news);
};

struct hints *hints_new(const struct hints_options *o);
void hints_free(struct hints **h);

/* A session of that loop (0 .. 63).  RC_LIMIT: the account has too many.
 * *subscribed_ms: when its hints were asked for, by clock_monotonic_ms. */
enum rc hints_join(struct hints *h, size_t loop, int64_t account,
                   int64_t *subscribed_ms) RC_CHECKED;
void hints_leave(struct hints *h, size_t loop, int64_t account);

/* Everybody who is logged in here, in no order; the memory is the caller's. */
int64_t *hints_accounts(struct hints *h, size_t *count);

/* Has it a session here? */
bool hints_wants(struct hints *h, int64_t account);
/* What the bus told. */
void hints_dispatch(struct hints *h, const struct hints_news *news);
/* What a session here has done: nothing to do when it is the account's only one. */
void hints_tell_others(struct hints *h, const struct hints_news *news);
