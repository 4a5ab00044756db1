/* print_invite.c - the same invitation as on the start page, for a terminal. */
#include "print_invite.h"

#include "base/arena.h"
#include "base/buf.h"
#include "invitation.h"
#include "site.h"
#include "svc/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TERMINAL_MAX_BYTES = 512 * 1024 };

static bool wants_colour(void)
{
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

/* The value after --config or within --config=; NULL: none is given. */
static const char *config_file(int argc, char **argv)
{
    static const char prefix[] = "--config=";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
        if (strncmp(argv[i], prefix, sizeof(prefix) - 1) == 0)
            return argv[i] + sizeof(prefix) - 1;
    }
    return NULL;
}

static int print(const struct options *options)
{
    struct arena *arena = arena_new();
    struct buf *out = arena_buf(arena, TERMINAL_MAX_BYTES);
    struct invitation invitation;
    struct site site;
    bool is_written;

    site_init(&site, arena, options);
    invitation_make(&site, arena, &invitation);
    qr_terminal(&invitation.qr, wants_colour(), out);
    buf_put(out, invitation.text);
    buf_putc(out, '\n');
    is_written = fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0;
    arena_free(&arena);
    return is_written ? 0 : 1;
}

bool print_invite_is_asked(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--print-invite") == 0)
            return true;
    return false;
}

int print_invite_run(int argc, char **argv)
{
    char error[OPTIONS_ERROR_BYTES];
    const struct options *options;

    if (options_load(config_file(argc, argv), OPTIONS_REGISTRAR, &options, error) ==
        RC_OK)
        return print(options);
    fprintf(stderr, "registrar: %s\n", error);
    return 2;
}
