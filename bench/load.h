/* load.h - what the parts of the load generator share: options, clients, the ledger of
 * messages and the figures.  Thread: the only one. */
#pragma once

#include "base/map.h"
#include "message.h"
#include "peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_SEQ_SLOTS = 512, LOAD_RECIPIENTS_MAX = 50, LOAD_QUEUE_MAX = 4096 };

/* How a door is knocked at: load_door.c. */
struct load_door_kind {
    const char *name;
    bool tls;
    const char *slow_first; /* before it, once; NULL: nothing */
    const char *slow_line;  /* what gets nobody on */
    const char *first;      /* said by a visitor; NULL: the server speaks first */
    const char *second;     /* said after the first answer; NULL: nothing */
    const char *login;      /* before a PLAIN message; NULL: none */
    const char *expect[4];  /* beginnings of the answers, up to NULL */
};

struct load_options {
    struct peer_target imap, smtp;
    const struct load_door_kind *door;
    const char *domain, *password, *prefix;
    unsigned accounts, recipients, window, concurrency;
    bool pairs; /* each client sends to its neighbour alone */
    double rate, seconds;
    size_t body_bytes;
};

/* One message on its way; times are monotonic [us], 0: not yet. */
struct load_message {
    int64_t due_us, dot_us, acked_us;
    unsigned sender;
    unsigned left; /* recipients that have not expunged it */
};

struct load_samples {
    float *us;
    size_t n, cap;
};

enum imap_step {
    IMAP_GREETING,
    IMAP_LOGIN,
    IMAP_ID,
    IMAP_QUOTA,
    IMAP_METADATA,
    IMAP_SELECT,
    IMAP_PREFETCH,
    IMAP_BODIES,
    IMAP_STORE,
    IMAP_CLOSE,
    IMAP_IDLE,
    IMAP_DONE, /* DONE is sent, the tagged answer is awaited */
};

enum smtp_step {
    SMTP_GREETING,
    SMTP_EHLO,
    SMTP_AUTH,
    SMTP_READY,
    SMTP_ENVELOPE, /* MAIL, RCPT.., DATA are sent */
    SMTP_BODY,     /* the dot is sent */
};

struct load_client {
    unsigned index;
    char user[80];
    struct peer imap, smtp;
    enum imap_step imap_step;
    unsigned tag;
    uint64_t uid_next;                 /* first UID that was not fetched yet */
    uint64_t uid_told;                 /* UIDNEXT of the last SELECT */
    int64_t exists_us[LOAD_SEQ_SLOTS]; /* when a sequence number was announced */
    uint64_t uids[LOAD_SEQ_SLOTS];     /* of the prefetch in progress */
    uint64_t seqs[LOAD_SEQ_SLOTS];     /* their messages; UINT64_MAX: not ours */
    unsigned uid_count, line_seq;
    bool idle_reported;
    enum smtp_step smtp_step;
    unsigned smtp_replies; /* of the envelope still awaited */
    uint64_t queue[64];    /* messages to send */
    unsigned queue_head, queue_count;
};

struct load_state {
    struct load_options o;
    struct load_client *clients;
    struct load_message *messages;
    uint64_t run, message_count, message_max;
    unsigned idle_clients, smtp_clients; /* set up */
    uint64_t sent, acked, announced, expunged, failed, duplicates;
    uint64_t behind;    /* copies that arrived behind a later one of the same sender */
    struct map *newest; /* of each sender and receiver: 1 + number of the message */
    bool logins_only;
    void (*on_login)(struct load_client *c);
    struct load_samples ack, exists, ack_due, exists_due;
};

extern struct load_state load_state;

void load_sample(struct load_samples *s, int64_t us);
double load_percentile(struct load_samples *s, double p); /* [ms]; sorts */
_Noreturn void load_fail(const char *what, str_t line);

/* imap_client.c, smtp_client.c */
extern const struct peer_handler load_imap_handler, load_smtp_handler;
void load_smtp_submit(struct load_client *c, uint64_t seq);

/* load_door.c: --accounts slow connections to --smtp-port, whatever is spoken there. */
extern const struct load_door_kind load_door_kinds[]; /* up to one without a name */
void load_door(void);

/* load_walk.c: judges one message again and again. */
void load_walk(double seconds);

/* load_sink.c: serves --smtp-port and --imap-port until it is ended. */
_Noreturn void load_sink(void);
