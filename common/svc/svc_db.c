/* svc_db.c - options become connection parameters. */
#include "svc/svc_db.h"

#include "store/db.h"
#include "svc/options.h"

struct db *svc_db_open(const struct options *o, const char *application)
{
    struct db_options to = {
        .host = o->database_host,
        .port = (int)o->database_port,
        .name = o->database_name,
        .user = o->database_user,
        .sslmode = o->database_sslmode,
        .ca_file = o->database_ca_file,
        .certificate_file = o->database_certificate_file,
        .key_file = o->database_key_file,
        .password = o->database_password[0] == '\0' ? NULL : o->database_password,
        .application = application,
        .statement_timeout_ms = (int)o->database_statement_seconds * 1000,
        .quota_bytes = o->max_mailbox_size,
    };

    return db_new(&to);
}
