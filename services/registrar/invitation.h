/* invitation.h - the invitation of a page or picture: its text and its QR code.
 *
 * Thread: any; memory is the arena's.
 */
#pragma once

#include "base/str.h"
#include "qr.h"

#include <stdbool.h>

struct arena;
struct http_exchange;
struct site;
struct web;

struct invitation {
    str_t text;
    struct qr qr;
    bool is_personal; /* it holds a password that was drawn just now */
};

/* A code to be printed and kept has spare modules for dirt; a personal one is long and
 * read once from a screen, where small is better than robust. */
void invitation_make(const struct site *s, struct arena *a, struct invitation *out);

/* The same for who asks for a picture; while nobody new may come the answer says so, and
 * false is returned. */
bool invitation_offer(const struct web *web, struct http_exchange *x,
                      struct invitation *out);
