/* page.c - collects values, fills the page, puts it into the layout. */
#include "page.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "pages.h"
#include "site.h"
#include "svc/options.h"
#include "template.h"

#include <inttypes.h>
#include <string.h>

enum { VALUES_MAX = 48, PAGE_MAX_BYTES = 1 << 20, BREAKABLE_MAX_BYTES = 4096 };

struct page {
    struct arena *arena;
    struct template_value values[VALUES_MAX];
    size_t count;
};

static void set_number(struct page *p, const char *name, int64_t value)
{
    page_set(p, name, str_of(arena_printf(p->arena, "%" PRId64, value)));
}

/* "1 day", "20 days" */
static void set_count(struct page *p, const char *name, int64_t n, const char *one)
{
    page_set(
        p, name,
        str_of(arena_printf(p->arena, "%" PRId64 " %s%s", n, one, n == 1 ? "" : "s")));
}

static void set_flag(struct page *p, const char *name, bool value)
{
    page_set(p, name, value ? S("yes") : S(""));
}

static void set_figures(struct page *p, const struct options *o)
{
    set_count(p, "days_mail", o->delete_mails_after, "day");
    set_count(p, "days_large", o->delete_large_after, "day");
    set_count(p, "days_account", o->delete_inactive_users_after, "day");
    set_count(p, "per_minute", o->max_user_send_per_minute, "message");
    set_number(p, "burst", o->max_user_send_burst_size);
    page_set(p, "mailbox_size", str_of(site_size_text(p->arena, o->max_mailbox_size)));
    page_set(p, "message_size", str_of(site_size_text(p->arena, o->max_message_size)));
    set_number(p, "imaps_port", o->public_imaps_port);
    set_number(p, "imap_port", o->public_imap_port);
    set_number(p, "submissions_port", o->public_submissions_port);
    set_number(p, "submission_port", o->public_submission_port);
}

static void set_privacy(struct page *p, const struct options *o)
{
    page_set(p, "privacy_postal", str_of(o->privacy_postal));
    page_set(p, "privacy_mail", str_of(o->privacy_mail));
    page_set(p, "privacy_pdo", str_of(o->privacy_pdo));
    page_set(p, "privacy_supervisor", str_of(o->privacy_supervisor));
    set_flag(p, "has_contact",
             o->privacy_postal[0] != '\0' || o->privacy_mail[0] != '\0');
    set_flag(p, "talkative", strcmp(o->log_level, "debug") == 0);
}

/* A long name may go on in the next line behind a dot, not in the middle of a word. */
static void set_breakable(struct page *p, const char *name, str_t text)
{
    struct buf *b = arena_buf(p->arena, BREAKABLE_MAX_BYTES);
    str_t label;

    while (str_split(&text, '.', &label)) {
        template_escape(label, b);
        if (text.n > 0)
            buf_puts(b, ".<wbr>");
    }
    page_set(p, name, buf_str(b));
}

static str_t render(struct page *p, str_t text)
{
    struct buf *out = arena_buf(p->arena, PAGE_MAX_BYTES);

    template_render(text, p->values, p->count, out);
    CHECK(!out->full);
    return buf_str(out);
}

struct page *page_new(const struct site *site, struct arena *a)
{
    struct page *p = arena_alloc(a, sizeof(*p));

    p->arena = a;
    page_set(p, "domain", site->mail_domain);
    set_breakable(p, "domain_html", site->mail_domain);
    page_set(p, "host", site->host);
    page_set(p, "autoconfig_host", site->autoconfig_host);
    set_flag(p, "trusted", site->is_trusted);
    set_flag(p, "others", site->reaches_others);
    set_figures(p, site->options);
    set_privacy(p, site->options);
    return p;
}

void page_set(struct page *p, const char *name, str_t text)
{
    CHECK(p->count < VALUES_MAX);
    p->values[p->count++] = (struct template_value){ name, text };
}

str_t page_render(struct page *p, const char *title, const char *file)
{
    page_set(p, "content", render(p, pages_text(file)));
    page_set(p, "title", str_of(title));
    return render(p, pages_text("layout.html"));
}

str_t page_render_bare(struct page *p, const char *file)
{
    return render(p, pages_text(file));
}
