/* store_ids.c - layout of the numbers; fixed for ever, rows and other services hold them.
 */
#include "store/store_ids.h"

#include "base/crypto.h"
#include "store/store_clock.h"

#include <stdatomic.h>

enum {
    FOLDER_BITS = 18,
    ACCOUNT_RANDOM_BITS = 35,
    BODY_RANDOM_BITS = 22,
    DAY_MS = 86400 * 1000,
    AHEAD_MAX_MS = 1000,
};

int64_t store_ids_new_account(str_t address)
{
    unsigned char hash[CRYPTO_SHA256_BYTES];
    uint64_t random = crypto_random_u64() & ((UINT64_C(1) << ACCOUNT_RANDOM_BITS) - 1);
    uint64_t bucket;

    crypto_sha256(address, hash);
    bucket = (uint64_t)(hash[0] << 2 | hash[1] >> 6);
    return (int64_t)(bucket << ACCOUNT_RANDOM_BITS | random);
}

int store_ids_bucket(int64_t account)
{
    return (int)(account >> ACCOUNT_RANDOM_BITS);
}

int64_t store_ids_mailbox(int64_t account, uint32_t folder)
{
    return account << FOLDER_BITS | folder;
}

int64_t store_ids_account_of(int64_t mailbox)
{
    return mailbox >> FOLDER_BITS;
}

uint32_t store_ids_folder_of(int64_t mailbox)
{
    return (uint32_t)(mailbox & STORE_IDS_FOLDER_MAX);
}

/* The first id of a millisecond is random, the others follow it: thousands of random ones
 * would meet each other (the birthday paradox).  Whoever runs into the next millisecond
 * stays ahead of the clock, unless the clock was set back. */
static int64_t body_after(int64_t last, int64_t ms)
{
    int64_t ahead_ms = (last >> BODY_RANDOM_BITS) - ms;

    if (ahead_ms >= 0 && ahead_ms < AHEAD_MAX_MS)
        return last + 1;
    return ms << BODY_RANDOM_BITS |
           (int64_t)(crypto_random_u64() & ((UINT64_C(1) << BODY_RANDOM_BITS) - 1));
}

int64_t store_ids_new_body(void)
{
    static _Atomic int64_t newest;
    int64_t ms = store_clock_unix_ms() - STORE_IDS_EPOCH_UNIX * 1000;
    int64_t last = atomic_load(&newest), next;

    if (ms < 0) /* a machine without a battery: no table has a negative number */
        ms = 0;
    next = body_after(last, ms);

    while (!atomic_compare_exchange_weak(&newest, &last, next))
        next = body_after(last, ms);
    return next;
}

int64_t store_ids_body_unix_ms(int64_t body)
{
    return (body >> BODY_RANDOM_BITS) + STORE_IDS_EPOCH_UNIX * 1000;
}

int store_ids_body_slot(int64_t body)
{
    return (int)((body >> BODY_RANDOM_BITS) / DAY_MS % STORE_IDS_BODY_SLOTS);
}

int64_t store_ids_first_body_at(int64_t unix_s)
{
    return unix_s <= STORE_IDS_EPOCH_UNIX
               ? 0
               : (unix_s - STORE_IDS_EPOCH_UNIX) * 1000 << BODY_RANDOM_BITS;
}
