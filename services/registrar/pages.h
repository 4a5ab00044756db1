/* pages.h - the files of the folder pages/, which are part of the program.
 *
 * Thread: any.
 */
#pragma once

#include "base/str.h"

/* By file name ("start.html").  A name that is not there is our bug: aborts. */
str_t pages_text(const char *name);
