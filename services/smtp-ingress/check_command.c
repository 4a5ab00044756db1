/* check_command.c - what a program of the operator's says of a message.
 *
 * It gets the message on its standard input, with LF for CRLF, and what is known of the
 * way by placeholders in its words.  Its exit code says what follows; what it writes are
 * header fields to put before the message.  A program that cannot be run, does not end,
 * says too much or ends with a code that nobody gave a meaning is a temporary failure.
 *
 * Each runs in a thread of a pool, which waits for it (work/child.h): so many at once,
 * and others wait in the pool's queue, without a thread.  A message that goes away in
 * between takes what is its own along under the run's lock; the run then ends at once and
 * the last of the two frees it.
 */
#include "checks.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "judge.h"
#include "mail/header.h"
#include "mail/message_edit.h"
#include "message_change.h"
#include "net/addr.h"
#include "programs.h"
#include "svc/options.h"
#include "transaction.h"
#include "work/child.h"
#include "work/worker_pool.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { OUTPUT_MAX_BYTES = 64 * 1024, EXPANDED_MAX_BYTES = 128 * 1024 };

struct run {
    struct job job;
    struct arena *arena; /* its own: it may outlive the message */
    char **words;
    struct deadline until;
    int64_t memory_bytes;
    struct buf output;
    enum rc rc;
    int exit_code;
    pthread_mutex_t lock;        /* for the rest */
    struct judgement *judgement; /* NULL: nobody wants it any more */
    str_t message;               /* of it, not written yet */
    int wake_fd;                 /* while it runs; -1 */
    int holders;                 /* the message and the thread */
};

static void let_go(struct run *r)
{
    struct arena *a = r->arena;
    bool last;

    CHECK(pthread_mutex_lock(&r->lock) == 0);
    last = --r->holders == 0;
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    if (!last)
        return;
    CHECK(pthread_mutex_destroy(&r->lock) == 0);
    buf_fini(&r->output);
    arena_free(&a);
}

static void forget(void *what)
{
    struct run *r = what;

    CHECK(pthread_mutex_lock(&r->lock) == 0);
    r->judgement = NULL;
    r->message.n = 0;
    if (r->wake_fd >= 0)
        CHECK(eventfd_write(r->wake_fd, 1) == 0);
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    let_go(r);
}

/* With LF for CRLF. */
static size_t give(void *user, char *to, size_t room)
{
    struct run *r = user;
    size_t n = 0, i = 0;

    CHECK(pthread_mutex_lock(&r->lock) == 0);
    for (; i < r->message.n && n < room; i++)
        if (r->message.p[i] != '\r')
            to[n++] = r->message.p[i];
    r->message = str_skip(r->message, i);
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    return n;
}

/* False: it was forgotten while it waited for a thread. */
static bool set_wake(struct run *r, int fd)
{
    bool wanted;

    CHECK(pthread_mutex_lock(&r->lock) == 0);
    wanted = r->judgement != NULL;
    r->wake_fd = wanted ? fd : -1;
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    return wanted;
}

static void run_now(struct job *j, struct worker *w)
{
    struct run *r = (struct run *)j;
    int fd = eventfd(0, EFD_CLOEXEC);
    struct child_options o = { .words = r->words,
                               .until = r->until,
                               .output_max_bytes = OUTPUT_MAX_BYTES,
                               .memory_bytes = r->memory_bytes,
                               .wake_fd = fd,
                               .input = give,
                               .user = r };

    (void)w;
    r->rc = RC_RETRY;
    if (fd >= 0 && set_wake(r, fd))
        r->rc = child_run(&o, &r->output, &r->exit_code);
    CHECK(pthread_mutex_lock(&r->lock) == 0);
    r->wake_fd = -1;
    if (r->judgement != NULL)
        judge_release(r->judgement);
    CHECK(pthread_mutex_unlock(&r->lock) == 0);
    if (fd >= 0)
        (void)close(fd);
    let_go(r);
}

struct placeholder {
    str_t name, value;
};

/* RC_LIMIT: there are too many to say. */
static enum rc recipients_of(struct arena *a, const struct transaction *t, str_t *out)
{
    struct buf *b = arena_buf(a, EXPANDED_MAX_BYTES);

    for (size_t i = 0; i < t->recipient_count; i++) {
        buf_puts(b, i > 0 ? "\n" : "");
        buf_put(b, t->recipients[i]);
    }
    *out = buf_str(b);
    return b->full ? RC_LIMIT : RC_OK;
}

static void expand(struct buf *to, str_t word, const struct placeholder *all,
                   size_t count)
{
    while (word.n > 0) {
        size_t used = 1;

        for (size_t i = 0; i < count && used == 1; i++) {
            if (str_starts(word, all[i].name)) {
                buf_put(to, all[i].value);
                used = all[i].name.n;
            }
        }
        if (used == 1)
            buf_putc(to, word.p[0]);
        word = str_skip(word, used);
    }
}

/* RC_LIMIT: too long for any program. */
static enum rc set_words(struct check *c, struct run *r)
{
    const struct judge_client *client = judge_client(c->judgement);
    const struct transaction *t = c->mail;
    char **from = c->ingress->programs->command;
    char ip[ADDR_TEXT_BYTES];
    str_t recipients;
    enum rc rc = recipients_of(r->arena, t, &recipients);
    const struct placeholder all[] = {
        { STR("{source_ip}"), str_of(addr_text(&client->address, ip)) },
        { STR("{source_host}"), client->hello },
        { STR("{source_rdns}"), STR("") },
        { STR("{msg_id}"), t->queue_id },
        { STR("{auth_user}"), c->account_address },
        { STR("{sender}"), t->sender },
        { STR("{rcpts}"), recipients },
        { STR("{address}"), STR("") },
    };
    size_t total = 0;

    r->words = arena_array(r->arena, COMMAND_LINE_WORDS_MAX + 1, sizeof(*r->words));
    r->words[0] = arena_cstr(r->arena, str_of(from[0]));
    for (size_t i = 1; from[i] != NULL; i++) {
        struct buf *b = arena_buf(r->arena, EXPANDED_MAX_BYTES);

        expand(b, str_of(from[i]), all, ARRAY_LEN(all));
        total += b->n;
        if (b->full || total > EXPANDED_MAX_BYTES)
            return RC_LIMIT;
        r->words[i] = arena_cstr(r->arena, buf_str(b));
    }
    return rc;
}

static struct run *run_new(struct check *c)
{
    const struct options *o = c->ingress->options;
    struct deadline most = deadline_in_ms(o->command_seconds * 1000);
    struct arena *a = arena_new();
    struct run *r = arena_alloc(a, sizeof(*r));

    r->arena = a;
    r->job.run = run_now;
    r->until = judge_until(c->judgement);
    if (most.at_ms < r->until.at_ms)
        r->until = most;
    r->memory_bytes = o->command_memory;
    r->judgement = c->judgement;
    r->message = c->message;
    r->wake_fd = -1;
    r->holders = 2;
    CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
    buf_init(&r->output, OUTPUT_MAX_BYTES);
    return r;
}

static enum check_result ask(struct check *c)
{
    struct run *r = run_new(c);
    enum rc rc = set_words(c, r);

    *c->state = r;
    judge_hold(c->judgement, forget, r);
    if (rc == RC_OK)
        rc = worker_pool_submit(c->ingress->programs->pool, &r->job);
    if (rc != RC_OK) {
        r->rc = rc; /* else it is the thread's to write */
        judge_release(c->judgement);
        let_go(r);
    }
    return CHECK_WAIT;
}

static void add_fact(struct check *c, enum auth_results_word result, const char *reason)
{
    struct auth_results_fact fact = { .method = "x-command",
                                      .result = result,
                                      .reason = str_of(reason) };

    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
}

static enum check_result fail(struct check *c, const char *reason)
{
    add_fact(c, AUTH_RESULTS_TEMPERROR, reason);
    log_warn("smtp.command_failed", "reason=\"%s\"", reason);
    return check_conclude(c, &c->ingress->options->command_temporary, 450, "4.7.0",
                          "The message cannot be checked now, try again later");
}

/* RC_INVALID: what it wrote are not header fields. */
static enum rc put_fields(struct message_edit *e, str_t output)
{
    struct header_field f;
    struct header_iter it;
    size_t count = 0;
    enum rc rc = header_check(output);

    header_init(&it, output);
    while (rc == RC_OK && header_next(&it, &f))
        rc = message_edit_insert(e, count++, f.name, f.value);
    return rc;
}

static enum check_result change(struct check *c, const struct run *r)
{
    struct message_edit *e = message_edit_new(c->mail->arena, c->message);

    CHECK(e != NULL); /* check_author has passed the header */
    if (put_fields(e, buf_str(&r->output)) != RC_OK)
        return fail(c, "what it wrote are no header fields");
    return message_change_apply(c, e);
}

enum check_result check_command(struct check *c)
{
    const struct command_line_codes *codes = &c->ingress->programs->codes;
    const struct run *r = *c->state;
    const char *what;

    if (r == NULL)
        return ask(c);
    if (r->rc != RC_OK)
        return fail(c, rc_name(r->rc));
    what = arena_printf(c->mail->arena, "exit code %d", r->exit_code);
    log_info("smtp.command", "exit_code=%d", r->exit_code);
    if (r->exit_code == 0) {
        add_fact(c, AUTH_RESULTS_PASS, what);
        return change(c, r);
    }
    for (size_t i = 0; i < codes->count; i++) {
        if (codes->all[i].code != r->exit_code)
            continue;
        add_fact(c, AUTH_RESULTS_FAIL, what);
        if (check_conclude(c, &codes->all[i].policy, 550, "5.7.1",
                           "Message rejected due to a local policy") != CHECK_PASS)
            return CHECK_REFUSE;
        return change(c, r);
    }
    return fail(c, what);
}
