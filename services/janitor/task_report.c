/* task_report - the totals of the whole store as gauges. */
#include "base/arena.h"
#include "base/log.h"
#include "base/metric.h"
#include "mail/domains.h"
#include "store/store_expire.h"
#include "svc/options.h"
#include "task.h"

#include <inttypes.h>

#define GAUGE(id, name_, labels_, help_)                                                 \
    static struct metric id = {                                                          \
        .kind = METRIC_GAUGE, .name = "postbus_" name_, .labels = labels_, .help = help_ \
    }

GAUGE(accounts, "accounts", "", "Accounts.");
GAUGE(foreign, "accounts_foreign", "", "Accounts of domains that are not ours.");
GAUGE(active_1, "accounts_active", "days=\"1\"", "Accounts that logged in lately.");
GAUGE(active_10, "accounts_active", "days=\"10\"", "Accounts that logged in lately.");
GAUGE(active_30, "accounts_active", "days=\"30\"", "Accounts that logged in lately.");
GAUGE(accounts_ahead, "ahead", "kind=\"accounts\"",
      "What seems to be of tomorrow or later, because a clock was ahead.");
GAUGE(messages_ahead, "ahead", "kind=\"messages\"",
      "What seems to be of tomorrow or later, because a clock was ahead.");
GAUGE(messages, "messages", "", "Messages in mailboxes.");
GAUGE(message_bytes, "storage_bytes", "kind=\"messages\"", "Bytes by kind.");
GAUGE(body_bytes, "storage_bytes", "kind=\"bodies\"", "Bytes by kind.");
GAUGE(database_bytes, "storage_bytes", "kind=\"database\"", "Bytes by kind.");

static void register_once(void)
{
    static struct metric *const all[] = {
        &accounts,       &active_1,       &active_10,  &active_30,
        &messages,       &message_bytes,  &body_bytes, &database_bytes,
        &accounts_ahead, &messages_ahead, &foreign
    };
    static bool done;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !done; i++)
        metric_register(all[i]);
    done = true;
}

/* Whose domain was changed: they exist, and can neither log in nor get mail. */
static void tell_foreign(const char *domain, int64_t count)
{
    static int64_t told;

    if (count > 0 && count != told)
        log_warn("janitor.foreign_accounts",
                 "accounts=%" PRId64
                 " mail_domain=%s advice=\"these accounts are of another "
                 "domain: nobody can use them until it is mail_domain again, or one of "
                 "more_mail_domains\"",
                 count, domain);
    told = count;
    metric_set(&foreign, count);
}

/* Those that have accounts. */
static size_t list_domains(struct task_tools *t, str_t **out)
{
    static const struct domains *ours;
    size_t n = 0;

    if (ours == NULL)
        ours = options_domains(t->options);
    *out = arena_array(t->arena, ours->count, sizeof(**out));
    for (size_t i = 0; i < ours->count; i++)
        if (str_eq(ours->row[i].name, ours->row[i].main))
            (*out)[n++] = ours->row[i].name;
    return n;
}

enum rc task_report(struct task_tools *t, int64_t *removed)
{
    struct store_expire_report r;
    const char *domain = t->options->mail_domain;
    str_t *names;
    size_t n = list_domains(t, &names);
    enum rc rc = store_expire_report(t->db, names, n, &r);

    (void)removed; /* there is nothing */
    if (rc != RC_OK)
        return rc;
    register_once();
    tell_foreign(domain, r.foreign_accounts);
    metric_set(&accounts, r.accounts);
    metric_set(&active_1, r.accounts_seen_1d);
    metric_set(&active_10, r.accounts_seen_10d);
    metric_set(&active_30, r.accounts_seen_30d);
    metric_set(&messages, r.messages);
    metric_set(&message_bytes, r.message_bytes);
    metric_set(&body_bytes, r.body_bytes);
    metric_set(&database_bytes, r.database_bytes);
    metric_set(&accounts_ahead, r.accounts_ahead);
    metric_set(&messages_ahead, r.messages_ahead);
    /* To forget too late can be borne, to forget too early cannot be made good. */
    if (r.accounts_ahead > 0 || r.messages_ahead > 0)
        log_warn("janitor.ahead",
                 "accounts=%" PRId64 " messages=%" PRId64 " reason=\"a clock was ahead; "
                 "they are forgotten by the time that they carry\"",
                 r.accounts_ahead, r.messages_ahead);
    return RC_OK;
}
