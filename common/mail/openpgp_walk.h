/* openpgp_walk.h - is this text one encrypted OpenPGP message and nothing besides?
 *
 * Pure.  Looks at the packets' frames only: any number of session key packets (1, 3) and
 * then one SEIPD packet (18) that ends where the data ends.  Decodes in passing, so the
 * size of the text costs no memory.  Chatmail spec 2.5, RFC 9580 4.2, 6.2.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* text: from BEGIN to END, line ends after END are allowed.  tolerate_version: accept one
 * "Version:" armor line, which some other mail programs write (incoming mail only). */
bool openpgp_walk_armored(str_t text, bool tolerate_version);

/* The same for packets that are not armored. */
bool openpgp_walk_packets(str_t data);
