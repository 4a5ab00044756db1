/* print_invite.c - the same invitation as on the start page, for a terminal. */
#include "print_invite.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "invitation.h"
#include "net/tls.h"
#include "site.h"
#include "svc/options.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TERMINAL_MAX_BYTES = 512 * 1024, REASON_MAX_BYTES = 256 };

/* no-color.org; and a file or a pipe shall get characters only. */
static bool wants_colour(void)
{
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

/* Of the files, which a registrar that runs serves too, or will within seconds.  Without
 * a certificate a proxy is in front, and its own can be verified. */
static enum rc read_self_signed(const struct options *o, bool *out)
{
    struct tls_server_options files = { .cert_file = o->tls_certificate_file,
                                        .key_file = o->tls_key_file };
    struct tls_context *c = NULL;
    struct buf why;
    enum rc rc;

    *out = false;
    if (o->tls_certificate_file[0] == '\0')
        return RC_OK;
    buf_init(&why, REASON_MAX_BYTES);
    rc = tls_server_new(&files, &why, &c);
    if (rc == RC_OK)
        *out = tls_context_is_self_signed(c);
    else
        log_error("invite.certificate", "reason=\"%.*s\"", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    tls_context_free(&c);
    return rc;
}

int print_invite(const struct options *options)
{
    struct invitation invitation;
    bool self_signed, is_written;
    struct arena *arena;
    struct site site;
    struct buf *out;

    if (read_self_signed(options, &self_signed) != RC_OK)
        return 1;
    arena = arena_new();
    out = arena_buf(arena, TERMINAL_MAX_BYTES);
    site_init(&site, arena, options, self_signed);
    if (site_registration(&site) == SITE_CLOSED) {
        buf_puts(out, "no new profiles: registration_open is false, or nocreate_file "
                      "exists\n");
    } else {
        invitation_make(&site, arena, &invitation);
        qr_terminal(&invitation.qr, wants_colour(), out);
        buf_put(out, invitation.text);
        buf_putc(out, '\n');
    }
    is_written = fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0;
    arena_free(&arena);
    return is_written ? 0 : 1;
}
