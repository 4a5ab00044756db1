/* store_flags.h - the flags a message can have, as bits.  Thread: any. */
#pragma once

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

#define FLAG(id, bit, name) STORE_FLAGS_##id = 1 << bit,
enum store_flag {
#include "store/flags.def"
};
#undef FLAG

/* The bit of a name, in any case; 0: not one that is kept. */
uint32_t store_flags_bit(str_t name);
/* The i-th flag, in the order of flags.def; NULL past the end. */
const char *store_flags_name(size_t i, uint32_t *bit);
