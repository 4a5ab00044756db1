/* site.c - derives the public face from the options. */
#include "site.h"

#include "account/overload.h"
#include "base/arena.h"
#include "net/addr.h"
#include "svc/options.h"

#include <inttypes.h>
#include <unistd.h>

enum {
    IMAPS_PORT = 993,
    IMAP_PORT = 143,
    SUBMISSIONS_PORT = 465,
    SUBMISSION_PORT = 587,
    HTTPS_PORT = 443,
};

static bool is_address(str_t host)
{
    struct addr ignored;

    return addr_parse(host, &ignored) == RC_OK;
}

static str_t without_brackets(str_t s)
{
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        return str_n(s.p + 1, s.n - 2);
    return s;
}

static str_t base_url(struct arena *a, str_t host, int64_t port)
{
    bool is_v6 = str_find_char(host, ':') != SIZE_MAX;
    const char *open = is_v6 ? "[" : "";
    const char *close = is_v6 ? "]" : "";

    if (port == HTTPS_PORT)
        return str_of(arena_printf(a, "https://%s%.*s%s", open, STR_ARG(host), close));
    return str_of(
        arena_printf(a, "https://%s%.*s%s:%" PRId64, open, STR_ARG(host), close, port));
}

void site_init(struct site *s, struct arena *a, const struct options *o, bool self_signed)
{
    str_t domain = str_of(o->mail_domain);

    *s = (struct site){ .options = o, .mail_domain = domain };
    s->host = without_brackets(str_of(options_public_host(o)));
    s->autoconfig_host = is_address(s->host) ? without_brackets(domain) : s->host;
    s->base_url = base_url(a, s->host, o->public_https_port);
    s->is_trusted = !self_signed && !options_is_uncertified(o) && !is_address(s->host);
    s->reaches_others = is_address(without_brackets(domain));
    s->has_own_host = !str_eq_nocase(s->host, without_brackets(domain));
    s->has_standard_mail = o->public_imaps_port == IMAPS_PORT &&
                           o->public_imap_port == IMAP_PORT &&
                           o->public_submissions_port == SUBMISSIONS_PORT &&
                           o->public_submission_port == SUBMISSION_PORT;
    s->has_standard_https = o->public_https_port == HTTPS_PORT;
    s->rules = (struct rules){ .domains = options_domains(o),
                               .registers_all = o->register_more_domains,
                               .username_min_length = (size_t)o->username_min_length,
                               .username_max_length = (size_t)o->username_max_length,
                               .password_min_length = (size_t)o->password_min_length };
}

enum site_registration site_registration(const struct site *s)
{
    const struct options *o = s->options;
    struct overload_limits limits = {
        .max_load_1m = o->max_load_1m,
        .min_available_memory_bytes = o->min_available_memory,
        .min_free_disk_bytes = o->min_free_disk_space,
        .disk_path = o->disk_path,
    };

    if (!o->registration_open)
        return SITE_CLOSED;
    if (o->nocreate_file[0] != '\0' && access(o->nocreate_file, F_OK) == 0)
        return SITE_CLOSED;
    return overload_now(&limits) == OVERLOAD_NONE ? SITE_OPEN : SITE_OVERLOADED;
}

char *site_size_text(struct arena *a, int64_t bytes)
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
    double value = (double)bytes;
    size_t unit = 0;
    int tenths;

    while (value >= 999.5 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1000;
        unit++;
    }
    tenths = (int)(value * 10 + 0.5);
    if (tenths < 100 && tenths % 10 != 0)
        return arena_printf(a, "%d.%d %s", tenths / 10, tenths % 10, units[unit]);
    return arena_printf(a, "%.0f %s", value, units[unit]);
}
