/* cmd_bdat.h - the rest of BDAT, for session.c. */
#pragma once

#include "session.h"

struct buf;

/* In ST_CHUNK: takes what belongs to the chunk.  CMD_LATER: more has to come. */
enum cmd_result cmd_bdat_feed(struct smtp_cmd *cmd, struct buf *in);

/* A BDAT that may not be here, whose refusal is written: its octets are no commands. */
enum cmd_result cmd_bdat_skip(struct smtp_cmd *cmd);
