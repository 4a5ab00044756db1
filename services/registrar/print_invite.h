/* print_invite.h - `registrar --print-invite`: the invitation as QR code and text on
 * standard output.
 *
 * Needs no port and no database.  Thread: main.
 */
#pragma once

struct options;

/* The exit status. */
int print_invite(const struct options *options);
