/* lately.h - who was seen lately: a key and the time of the last sight.
 *
 * In memory only and of fixed size; when a corner of the table is crowded, who was seen
 * longest ago is forgotten.
 * Thread: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lately;

struct lately *lately_new(size_t keys);
void lately_free(struct lately **l);

void lately_note(struct lately *l, uint64_t key, int64_t now_ms);
bool lately_has(const struct lately *l, uint64_t key, int64_t since_ms);
