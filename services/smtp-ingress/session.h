/* session.h - one SMTP connection: frames what comes in and gives it to the handlers.
 *
 * Lives on its connection's loop.  A command that needs the database takes the session
 * into a worker (session_job); until it is back the loop touches nothing but the
 * connection, so at most one command is in flight and replies keep their order.  A
 * message that judges must look at is their job first and comes back between the two.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "net/conn.h"
#include "net/loop.h"
#include "pace.h"
#include "smtp/smtp_framer.h"
#include "smtp_states.h"
#include "work/worker_pool.h"

#include <stdbool.h>
#include <stdint.h>

struct credentials;
struct ingress;
struct port;
struct session;
struct smtp_commands_row;
struct transaction;

enum cmd_result {
    CMD_DONE,   /* replied; the session moves on by the row's event */
    CMD_FAIL,   /* replied with an error; the session stays where it was */
    CMD_LATER,  /* a job has it, or the client must send more */
    CMD_CLOSE,  /* replied; that was the last word */
    CMD_JUDGED, /* of a judge: the message may be stored */
};

/* What a handler gets. */
struct smtp_cmd {
    struct session *session;
    const struct smtp_commands_row *row;
    str_t rest; /* of the line, after the verb */
    struct buf *out;
};

/* The part of a command that runs in a pool's thread, a worker's or a judge's. */
typedef enum cmd_result (*session_job_fn)(struct session *s, struct worker *w,
                                          struct buf *out);

enum session_sasl { SASL_NONE, SASL_PLAIN, SASL_LOGIN_NAME, SASL_LOGIN_PASSWORD };

struct session {
    struct conn *conn; /* NULL: the client went away while a job had the session */
    struct loop *loop;
    struct ingress *ingress;
    const struct port *port;
    uint64_t serial;     /* in logs */
    uint64_t client_key; /* see cidr_client_key */
    enum smtp_state state;
    enum smtp_event event; /* of the command in flight */
    struct smtp_framer framer;
    bool tls;
    bool in_job;  /* a worker or a judge has it, or it waits for one or for others */
    bool delayed; /* a failed login waits for its answer */
    bool eof;     /* the client sends no more */
    bool muted;   /* io_debug: see dialogue.h */
    bool leaving; /* drain: 421 after the job in flight */
    unsigned errors;
    unsigned auth_failures;
    struct pace pace;
    int64_t account; /* 0: not logged in */
    char *account_address;
    uint64_t chunk_bytes; /* of the chunk that comes or came last */
    uint64_t chunk_left;  /* of it, not here yet */
    bool chunk_last;
    uint64_t skip_bytes; /* of a chunk that was refused, not here yet */
    char *hello;         /* what the client called itself, with EHLO or HELO */
    enum session_sasl sasl;
    struct credentials *credentials; /* of the AUTH in progress */
    struct transaction *mail;        /* NULL outside a transaction */
    struct job job;
    struct loop_post back;
    session_job_fn job_fn;
    enum cmd_result job_result;
    struct buf reply; /* of the job */
};

extern const struct conn_handler session_handler;

/* Hand the session to a pool.  CMD_LATER, or CMD_FAIL with the reply written when the
 * pool takes nothing more. */
enum cmd_result session_job(struct smtp_cmd *cmd, struct worker_pool *pool,
                            session_job_fn fn);

/* A job that returned CMD_LATER ends with this, from whatever thread has it by then. */
void session_job_done(struct session *s, enum cmd_result result);

/* Say 421 now, or after what is in flight.  For listener_each. */
void session_drain(struct conn *c, void *unused);
/* The same, but a message that is still coming is not waited for any more. */
void session_part(struct conn *c, void *unused);

void session_register_metrics(void);
