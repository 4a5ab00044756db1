/* print_invite.h - `registrar --print-invite [--config FILE]`: the invitation as QR code
 * and text on standard output.
 *
 * A command of its own, not a service: it opens no port and needs no database.
 */
#pragma once

#include <stdbool.h>

bool print_invite_is_asked(int argc, char **argv);
int print_invite_run(int argc, char **argv); /* the exit status */
