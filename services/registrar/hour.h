/* hour.h - have private addresses made as many accounts as they may in this hour?
 *
 * Credentials that could not log in are worth nothing, so /new asks before it draws some.
 * The count is that of the whole server, in the database, which is asked once a second at
 * most.  While it does not answer nobody is refused here: the first login decides.
 * Thread: any; nobody waits for another.
 */
#pragma once

#include <stdbool.h>

struct hour;
struct svc;

struct hour *hour_new(struct svc *svc);
void hour_free(struct hour **h);

bool hour_is_full(struct hour *h); /* h may be NULL: without limit */
