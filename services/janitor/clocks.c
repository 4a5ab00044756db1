/* clocks.c - compare the two clocks that the janitor can see. */
#include "clocks.h"

#include "store/db.h"

#include <stdlib.h>

enum { DIFFERENCE_MAX_MS = 60 * 1000 };

enum rc clocks_agree(struct db *db, int64_t *offset_ms)
{
    enum rc rc = db_clock_offset_ms(db, offset_ms);

    if (rc == RC_OK && llabs(*offset_ms) > DIFFERENCE_MAX_MS)
        return RC_CONFLICT;
    return rc;
}
