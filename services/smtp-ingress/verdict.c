/* verdict.c - what the checks found out about a message. */
#include "verdict.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

#include <string.h>

enum { ROOM_AT_FIRST = 8, WORDS_BYTES = VERDICT_FACTS_MAX * 32 };

static void make_room(struct verdict *v, struct arena *a)
{
    size_t room = v->room == 0 ? ROOM_AT_FIRST : 2 * v->room;
    struct auth_results_fact *facts = arena_alloc(a, room * sizeof(*facts));

    if (v->count > 0)
        memcpy(facts, v->facts, v->count * sizeof(*facts));
    v->facts = facts;
    v->room = room;
}

void verdict_add(struct verdict *v, struct arena *a, const struct auth_results_fact *fact)
{
    log_debug("smtp.verdict", "method=%s result=%s", fact->method,
              auth_results_word_name(fact->result));
    if (v->count == VERDICT_FACTS_MAX)
        return;
    if (v->count == v->room)
        make_room(v, a);
    v->facts[v->count++] = *fact;
}

str_t verdict_print(const struct verdict *v, struct arena *a, str_t host)
{
    return auth_results_format(a, host, v->facts, v->count);
}

str_t verdict_words(const struct verdict *v, struct arena *a)
{
    struct buf *words;

    if (v->count == 0)
        return S("none");
    words = arena_buf(a, WORDS_BYTES);
    for (size_t i = 0; i < v->count; i++)
        buf_printf(words, "%s%s=%s", i == 0 ? "" : " ", v->facts[i].method,
                   auth_results_word_name(v->facts[i].result));
    return buf_str(words);
}

str_t verdict_property(const struct auth_results_fact *fact, const char *name)
{
    for (size_t i = 0; i < AUTH_RESULTS_PROPERTIES_MAX; i++) {
        if (fact->properties[i].name == NULL)
            break;
        if (strcmp(fact->properties[i].name, name) == 0)
            return fact->properties[i].value;
    }
    return S("");
}
