/* www.h - files of the operator's own folder.
 *
 * Only names made of letters, digits, `.`, `-` and `_` that do not begin with a dot are
 * looked for (and the folder `.well-known`), so no request leads out of the folder.
 * Symbolic links are followed: the operator put them there, and Kubernetes mounts
 * ConfigMaps that way.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct arena;

/* A descriptor of the folder, or -1 with errno. */
int www_open(const char *folder);

/* path as requested, "/" first; a path that ends in "/" means its index.html, and one
 * without an extension also the file of that name with .html.
 * RC_NOT_FOUND: no such file, or none that is served; RC_LIMIT: larger than 8 MiB. */
enum rc www_read(int folder, struct arena *a, str_t path, const char **type,
                 str_t *body) RC_CHECKED;

/* Is every name in the path one that is looked for? */
bool www_is_plain_path(str_t path);
