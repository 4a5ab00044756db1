/* api.c - where the API is and who asks come from flags, else from the options; then one
 * request.
 *
 * Over http: the token goes to private addresses only: to this machine, or within the
 * network of a cluster.
 */
#include "api.h"

#include "answer.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "net/http_client.h"
#include "svc/options.h"
#include "token_file.h"
#include "verb.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    DEADLINE_MS = 30000,
    ANSWER_MAX_BYTES = 4 << 20,
    TEXT_MAX_BYTES = 6 * ANSWER_MAX_BYTES + 2, /* each byte may become an escape */
    ESCAPED_MAX_BYTES = 16384,
};

char *api_escape(struct arena *a, str_t text)
{
    struct buf *b = arena_buf(a, ESCAPED_MAX_BYTES);

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 128 && (isalnum(c) || strchr("-._~", c) != NULL))
            buf_putc(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
    return arena_cstr(a, buf_str(b));
}

static const char *first(const char *flag, const char *option)
{
    return flag != NULL ? flag : option[0] != '\0' ? option : NULL;
}

/* A service that listens on every address is asked on the nearest one. */
static const char *admin_url(struct arena *a, const struct options *o)
{
    const char *host = o->admin_address;

    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    return arena_printf(a, strchr(host, ':') != NULL ? "http://[%s]:%d" : "http://%s:%d",
                        host, (int)o->admin_port);
}

/* The address of the API without a slash at its end. */
static const char *base_url(struct arena *a, const struct api_flags *f,
                            const struct options *o)
{
    const char *url = first(f->url, o->api_url);
    size_t n;

    if (url == NULL)
        return admin_url(a, o);
    for (n = strlen(url); n > 0 && url[n - 1] == '/'; n--)
        continue;
    return arena_cstr(a, str_n(url, n));
}

static int tell_fault(const char *url, const struct http_client_answer *answer)
{
    switch (answer->fault) {
    case HTTP_CLIENT_CONNECT:
    case HTTP_CLIENT_NAME:
        return verb_fail("%s: %s; is the registrar running, and is this its admin port? "
                         "(--api, api_url)",
                         url, answer->why);
    case HTTP_CLIENT_CERTIFICATE:
        return verb_fail("%s: %s; name the authority that signed it (--ca, api_ca_file)",
                         url, answer->why);
    case HTTP_CLIENT_CA_FILE:
        return verb_fail("%s (--ca, api_ca_file)", answer->why);
    case HTTP_CLIENT_FORBIDDEN:
        return verb_fail("%s: a token is not sent over the internet in the clear; use "
                         "https://",
                         url);
    default:
        return verb_fail("%s: %s (--api, api_url)", url, answer->why);
    }
}

static int tell_refusal(struct arena *a, const char *url, const char *token_file,
                        const struct http_client_answer *answer)
{
    bool denied = answer->status == 401 || answer->status == 403;
    str_t message;

    if (!answer_error(a, answer->body, &message))
        return verb_fail("%s: there is no admin API of Postbus; what answers says %d "
                         "(--api, api_url)",
                         url, answer->status);
    if (denied)
        verb_fail("%.*s (status %d, the token is that of %s)", STR_ARG(message),
                  answer->status, token_file);
    else
        verb_fail("%.*s (status %d)", STR_ARG(message), answer->status);
    if (denied)
        return VERB_DENIED;
    return answer->status == 404 ? VERB_NOT_FOUND : VERB_FAILED;
}

static int print(struct arena *a, const struct api_flags *f, const char *url, str_t body)
{
    struct buf *text = arena_buf(a, TEXT_MAX_BYTES);

    if (!(f->json ? answer_json(body, text) : answer_text(body, text)))
        return verb_fail("%s: there is no admin API of Postbus (--api, api_url)", url);
    if (fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0)
        return VERB_DONE;
    return verb_fail("cannot write the answer: %s", strerror(errno));
}

/* r is what to ask, but for who asks and for how long. */
static void ask(struct arena *a, const char *ca_file, const char *token,
                struct http_client_request r, struct http_client_answer *out)
{
    bool secure = str_starts_nocase(str_of(r.url), S("https:"));
    const struct http_client_options o = { .ca_file = ca_file,
                                           .reach = secure ? HTTP_CLIENT_ANY
                                                           : HTTP_CLIENT_PRIVATE };
    const struct http_client_header headers[] = {
        { "Authorization", arena_printf(a, "Bearer %s", token) },
        { "Content-Type", "application/json" }
    };
    struct http_client *client = http_client_new(&o);

    r.headers = headers;
    r.header_count = r.body.n > 0 ? 2 : 1;
    r.deadline_ms = DEADLINE_MS;
    r.answer_max_bytes = ANSWER_MAX_BYTES;
    http_client_call(a, client, &r, out);
    http_client_free(&client);
}

int api_show(struct arena *a, const struct api_flags *f, const char *method,
             const char *path, str_t json)
{
    char error[OPTIONS_ERROR_BYTES], token[API_TOKEN_MAX_BYTES + 1];
    struct http_client_answer answer;
    const struct options *o;
    const char *url, *token_file;

    if (options_load(options_file(f->config), OPTIONS_POSTBUSCTL, &o, error) != RC_OK)
        return verb_fail("%s", error);
    token_file = first(f->token_file, o->api_token_file);
    if (token_file == NULL) {
        verb_fail("who asks? name the file with a token (--token-file, api_token_file); "
                  "`postbusctl token create NAME --file FILE` makes one");
        return VERB_DENIED;
    }
    if (!token_file_read(token_file, token))
        return VERB_DENIED;
    url = base_url(a, f, o);
    ask(a, first(f->ca_file, o->api_ca_file), token,
        (struct http_client_request){
            .method = method, .url = arena_printf(a, "%s%s", url, path), .body = json },
        &answer);
    crypto_wipe(token, sizeof(token));
    if (answer.rc != RC_OK)
        return tell_fault(url, &answer);
    if (answer.status != 200)
        return tell_refusal(a, url, token_file, &answer);
    return print(a, f, url, answer.body);
}
