/* print_invite.c - the same invitation as on the start page, for a terminal. */
#include "print_invite.h"

#include "base/arena.h"
#include "base/buf.h"
#include "invitation.h"
#include "net/tls.h"
#include "site.h"
#include "svc/options.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TERMINAL_MAX_BYTES = 512 * 1024 };

/* no-color.org; and a file or a pipe shall get characters only. */
static bool wants_colour(void)
{
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

/* Of the files, which a registrar that runs serves too, or will within seconds. */
static bool has_self_signed(const struct options *o)
{
    struct tls_server_options files = { .cert_file = o->tls_certificate_file,
                                        .key_file = o->tls_key_file };
    struct tls_context *c = NULL;
    bool yes;

    if (o->tls_certificate_file[0] == '\0' || tls_server_new(&files, NULL, &c) != RC_OK)
        return false;
    yes = tls_context_is_self_signed(c);
    tls_context_free(&c);
    return yes;
}

int print_invite(const struct options *options)
{
    struct arena *arena = arena_new();
    struct buf *out = arena_buf(arena, TERMINAL_MAX_BYTES);
    struct invitation invitation;
    struct site site;
    bool is_written;

    site_init(&site, arena, options, has_self_signed(options));
    invitation_make(&site, arena, &invitation);
    qr_terminal(&invitation.qr, wants_colour(), out);
    buf_put(out, invitation.text);
    buf_putc(out, '\n');
    is_written = fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0;
    arena_free(&arena);
    return is_written ? 0 : 1;
}
