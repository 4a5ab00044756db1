/* hints.h - which loops hold sessions of an account, and the bus subscription for it.
 *
 * A topic is held from login to logout.  What the bus brings goes to the loops that have
 * sessions of the account.  Thread: any; one lock inside, held for moments.
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

/* A session of that loop (0 .. 63).  RC_LIMIT: the account has too many. */
enum rc hints_join(struct hints *h, size_t loop, int64_t account) RC_CHECKED;
void hints_leave(struct hints *h, size_t loop, int64_t account);

/* Everybody who is logged in here, in no order; the memory is the caller's. */
int64_t *hints_accounts(struct hints *h, size_t *count);

/* What the bus told. */
void hints_dispatch(struct hints *h, const struct hints_news *news);
/* What a session here has done: nothing to do when it is the account's only one. */
void hints_tell_others(struct hints *h, const struct hints_news *news);
