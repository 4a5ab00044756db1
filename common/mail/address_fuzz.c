/* address_fuzz.c - an address from a header is one that an envelope would take. */
#include "mail/address.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct address found, again;

    if (address_parse(text, ADDRESS_UTF8, &found) == RC_OK) {
        CHECK(found.local.n + 1 + found.domain.n == size && size <= ADDRESS_MAX_BYTES);
        CHECK(address_untag(a, text, S("+-")).n <= size &&
              address_normalise(a, text).n == size);
        CHECK(address_from_header(a, text, &again) == RC_OK &&
              str_eq(again.text, found.text));
    }
    if (address_parse(text, ADDRESS_UTF8 | ADDRESS_FULL, &found) == RC_OK) {
        str_t plain = address_unquote(a, text);

        CHECK(found.local.n + 1 + found.domain.n == size);
        CHECK(str_find_char(found.local, '\r') == SIZE_MAX &&
              str_find_char(found.local, '\n') == SIZE_MAX);
        CHECK(plain.n <= size && str_eq(address_unquote(a, plain), plain));
        CHECK(address_parse(plain, ADDRESS_UTF8 | ADDRESS_FULL, &again) == RC_OK &&
              str_eq(again.domain, found.domain));
    }
    if (address_from_header(a, text, &found) == RC_OK)
        CHECK(address_parse(found.text, ADDRESS_UTF8 | ADDRESS_FULL, &again) == RC_OK &&
              str_eq(again.domain, found.domain));
    arena_free(&a);
    return 0;
}
