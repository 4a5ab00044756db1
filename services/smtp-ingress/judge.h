/* judge.h - checks of a message that wait for others, without a thread while they wait.
 *
 * A judge is a thread without a database.  It runs the checks of one message up to where
 * they wait: each asks what it needs, of DNS, over HTTP or another process, and returns
 * CHECK_WAIT.  The message then lies in no thread; the last answer brings it back to the
 * judges, who call the waiting checks again, and those may ask more.  What is not
 * answered in time is answered so, hence each wait ends.  What passed goes on to a worker
 * with a database.
 *
 * Who waits here holds its connection's place no faster than anybody else: others may
 * show it out, as it waits for a stranger's DNS, and then nothing of the message stays.
 * So there are at most as many as connections.  What was asked of DNS stays there longer:
 * so one client network may have a fifth of what is on the way, and is told to try again
 * beyond.
 * Limits: a private address is no network that would be counted (see cidr_client_key).
 */
#pragma once

#include "net/addr.h"
#include "session.h"

struct dns;
struct dns_question;
struct dns_table;
struct judge;
struct judgement;

struct judge_options {
    unsigned threads;
    size_t queue_max; /* messages that may queue for a thread; beyond, 451 */
    int64_t wait_ms;  /* for all answers about one message */
    struct dns *dns;  /* outlives the sessions */
};

struct judge *judge_new(const struct judge_options *o);
/* No more messages; those that are here get their answer.  After dns_stop, and the like
 * of others, which ends what they wait for.  RC_TIMEOUT: some are not done. */
enum rc judge_drain(struct judge *j, struct deadline until) RC_CHECKED;
void judge_free(struct judge **j); /* after the last session */

/* For a whole message, on its loop: as session_job.  Ends with CMD_JUDGED if it passed.
 */
enum cmd_result judge_begin(struct smtp_cmd *cmd);

/* Nobody needs the answer any more: if the message waits, it ends now with CMD_FAIL and
 * without a reply.  On its loop. */
void judge_give_up(struct session *s);

/* For transaction.c: forgets what is held for.  g may be NULL. */
void judge_forget(struct judgement *g);

/* For a check, in its judge, which then returns CHECK_WAIT: it is called again when each
 * hold on the message is released, not before.  forget(what) is called once for each
 * hold, when the message goes away, released or not: it gives back what was asked, and
 * promises that no release is under way or comes once it has returned.  On the message's
 * loop. what lives as long as the message.  Hold first, then ask. */
void judge_hold(struct judgement *g, void (*forget)(void *what), void *what);
/* Exactly once for each hold that is not forgotten, at judge_until at the latest.  From
 * any thread, under any lock of who was asked. */
void judge_release(struct judgement *g);
struct deadline judge_until(const struct judgement *g);

/* What the checks ask of DNS together (mail/dns_table.h): in the message's arena. */
struct dns_table *judge_table(struct judgement *g);
/* A hold for each question there that was not asked yet; all of them are answered when
 * checks are called again. */
void judge_ask_table(struct judgement *g);

/* A hold until DNS has answered (see dns_ask).  The question is valid as long as the
 * message. */
struct dns_question *judge_ask(struct judgement *g, str_t name, int type);

/* Who sent the message, as it was at its end.  In the message's arena. */
struct judge_client {
    struct addr address;
    str_t hello;             /* what it called itself */
    bool passes_on;          /* LMTP: a server of the operator's, not where it is from */
    const char *tls_version; /* "TLSv1.3"; "" in the clear */
    const char *tls_cipher;
};
const struct judge_client *judge_client(const struct judgement *g);
struct session *judge_session(const struct judgement *g);

void judge_register_metrics(void);
