/* idn.c - domains with other letters, in the form under which DNS has them. */
#include "base/idn.h"

#include <idn2.h>
#include <string.h>

/* Four bytes a character, and no A-label is shorter than what it stands for. */
enum { UTF8_MAX_BYTES = 4 * IDN_MAX_BYTES };

bool idn_is_ascii(str_t name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80)
            return false;
    return true;
}

static enum rc keep(str_t name, struct idn_name *out)
{
    if (name.n > IDN_MAX_BYTES)
        return RC_INVALID;
    for (size_t i = 0; i < name.n; i++)
        out->text[i] = (char)str_lower_char((unsigned char)name.p[i]);
    out->text[name.n] = '\0';
    out->n = name.n;
    return RC_OK;
}

enum rc idn_to_ascii(str_t name, struct idn_name *out)
{
    char utf8[UTF8_MAX_BYTES + 1], *ascii = NULL;
    enum rc rc;

    if (idn_is_ascii(name))
        return keep(name, out);
    if (name.n > UTF8_MAX_BYTES || str_find_char(name, '\0') != SIZE_MAX)
        return RC_INVALID;
    memcpy(utf8, name.p, name.n);
    utf8[name.n] = '\0';
    if (idn2_to_ascii_8z(utf8, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
        return RC_INVALID;
    rc = keep(str_of(ascii), out);
    idn2_free(ascii);
    return rc;
}
