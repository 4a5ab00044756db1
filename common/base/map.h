/* map.h - numbers to pointers, by open addressing.  Thread: one owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct map;

struct map *map_new(void);
void map_free(struct map **m); /* not what the pointers point to */

void *map_get(const struct map *m, uint64_t key);         /* NULL: absent */
void map_set(struct map *m, uint64_t key, void *pointer); /* NULL removes */
size_t map_count(const struct map *m);

/* Walk: start with *at = 0; returns NULL at the end.  The map must not change meanwhile.
 */
void *map_next(const struct map *m, size_t *at, uint64_t *key);
