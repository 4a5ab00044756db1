/* verb_health.c - a health check for images without curl. */
#include "verb.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/http_client.h"
#include "svc/options.h"

#include <stdio.h>
#include <string.h>

enum {
    ASK_MS = 3000,
    BODY_MAX = 1 << 20, /* much more than the metrics of any service */
};

/* What the flags leave open is where the configuration says. */
static bool find_port(const char *given, const char **address, uint64_t *port)
{
    char error[OPTIONS_ERROR_BYTES];
    const struct options *o;

    if (given != NULL && str_to_u64(str_of(given), 65535, port) && *port > 0)
        return true;
    if (given != NULL) {
        verb_fail("--port %s: ports are 1 to 65535", given);
        return false;
    }
    log_init("postbusctl", LOG_LEVEL_ERROR, false); /* asked every few seconds */
    if (options_load(options_file(NULL), OPTIONS_POSTBUSCTL, &o, error) != RC_OK) {
        verb_fail("%s", error);
        return false;
    }
    if (*address == NULL)
        *address = o->admin_address;
    *port = (uint64_t)o->admin_port;
    return true;
}

/* A service that listens on every address is asked on the nearest one. */
static bool find_address(const char *text, uint64_t port, struct addr *out)
{
    if (text == NULL || text[0] == '\0' || strcmp(text, "0.0.0.0") == 0)
        text = "127.0.0.1";
    if (strcmp(text, "::") == 0)
        text = "::1";
    if (addr_parse(str_of(text), out) != RC_OK)
        return false;
    out->port = (uint16_t)port;
    return true;
}

/* Prints what is answered; its status, 0 when there is none. */
static int ask(const struct addr *to, const char *path)
{
    const struct http_client_options o = { .reach = HTTP_CLIENT_ANY };
    struct http_client *client = http_client_new(&o);
    struct arena *a = arena_new();
    struct http_client_request r = { .deadline_ms = ASK_MS,
                                     .answer_max_bytes = BODY_MAX };
    struct http_client_answer answer;
    char text[ADDR_TEXT_BYTES];

    r.url = arena_printf(a, to->family == 6 ? "http://[%s]:%u%s" : "http://%s:%u%s",
                         addr_text(to, text), (unsigned)to->port, path);
    http_client_call(a, client, &r, &answer);
    if (answer.body.n > 0)
        fwrite(answer.body.p, 1, answer.body.n, stdout);
    arena_free(&a);
    http_client_free(&client);
    return answer.status;
}

int verb_health(int argc, char **argv)
{
    const char *port = NULL, *address = NULL;
    bool live = false, metrics = false;
    const struct verb_flag flags[] = { { "--port", &port, NULL, NULL },
                                       { "--address", &address, NULL, NULL },
                                       { "--live", NULL, &live, NULL },
                                       { "--metrics", NULL, &metrics, NULL },
                                       { 0 } };
    struct addr to;
    uint64_t number;
    int status;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    if (!find_port(port, &address, &number))
        return VERB_MISUSED;
    if (!find_address(address, number, &to)) {
        verb_fail("%s is no address", address);
        return VERB_MISUSED;
    }
    status = ask(&to, metrics ? "/metrics" : live ? "/livez" : "/readyz");
    if (status == 0)
        return verb_fail("nobody answers at %s port %u",
                         address == NULL || address[0] == '\0' ? "127.0.0.1" : address,
                         (unsigned)to.port);
    return status == 200 ? VERB_DONE : VERB_FAILED;
}
