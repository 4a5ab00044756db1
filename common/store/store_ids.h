/* store_ids.h - the numbers that name accounts, mailboxes and bodies.
 *
 * Services make them, never sequences: each carries what routes it (bucket, folder,
 * day), so no look-up is needed.  A collision is RC_EXISTS and gets a new number.
 * Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdint.h>

enum {
    STORE_IDS_BUCKETS = 1024,
    STORE_IDS_INBOX = 0,            /* the folder that keeps the account's quota */
    STORE_IDS_FOLDER_MAX = 0x3ffff, /* 18 bits, a number is never used twice */
    STORE_IDS_BODY_SLOTS = 32,      /* ring of body tables, one per day of arrival */
};

#define STORE_IDS_EPOCH_UNIX INT64_C(1735689600) /* 2025-01-01 00:00 UTC */

/* The bucket b, the first 10 bits of SHA-256 of the address, then 35 random bits.  So a
 * bucket is one range of keys in every table with accounts (migrations/0010_buckets.sql
 * has it for SQL), and the last mailbox id of the last bucket is INT64_MAX.  The database
 * refuses other ids. */
int64_t store_ids_new_account(str_t address);
int store_ids_bucket(int64_t account);

int64_t store_ids_mailbox(int64_t account, uint32_t folder);
int64_t store_ids_account_of(int64_t mailbox);
uint32_t store_ids_folder_of(int64_t mailbox);

/* Milliseconds since 2025 and 22 bits, random for the first of a millisecond and counted
 * up for the next; sorted by time of arrival, never twice from one process.  The time is
 * that of store_clock. */
int64_t store_ids_new_body(void);
int64_t store_ids_body_unix_ms(int64_t body);
int store_ids_body_slot(int64_t body);           /* 0 .. STORE_IDS_BODY_SLOTS - 1 */
int64_t store_ids_first_body_at(int64_t unix_s); /* the smallest id of that second */
