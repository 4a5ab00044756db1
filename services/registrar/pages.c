/* pages.c - the table that the build makes from pages/. */
#include "pages.h"

#include "base/log.h"

#include <string.h>

static const struct {
    const char *name;
    const char *text;
} pages[] = {
#include "pages.inc"
};

str_t pages_text(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_LEN(pages) && strcmp(pages[i].name, name) != 0)
        i++;
    CHECK(i < ARRAY_LEN(pages));
    return str_of(pages[i].text);
}
