/* store_flags.c - names of the bits, from flags.def. */
#include "store/store_flags.h"

#define FLAG(id, bit, name) { name, 1u << bit },
static const struct {
    const char *name;
    uint32_t bit;
} flags[] = {
#include "store/flags.def"
};
#undef FLAG

uint32_t store_flags_bit(str_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (str_eq_nocase(name, str_of(flags[i].name)))
            return flags[i].bit;
    return 0;
}

const char *store_flags_name(size_t i, uint32_t *bit)
{
    if (i >= ARRAY_LEN(flags))
        return NULL;
    *bit = flags[i].bit;
    return flags[i].name;
}
