/* imap_command_fuzz.c - the arguments of commands, whatever stands in them. */
#include "fetch_plan.h"
#include "imap_args.h"
#include "imap_list.h"
#include "imap_login.h"
#include "imap_name.h"
#include "imap_reply.h"
#include "imap_set.h"
#include "imap_status.h"
#include "search_program.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_name(struct arena *a, str_t text)
{
    str_t utf8, again;

    if (imap_name_decode(a, text, &utf8) != RC_OK)
        return;
    CHECK(imap_name_decode(a, imap_name_encode(a, utf8), &again) == RC_OK);
    CHECK(str_eq(utf8, again));
    imap_name_match(text, utf8);
}

static void try_plan(struct imap_parser in)
{
    struct fetch_plan plan;
    struct buf *out = arena_buf(in.arena, IMAP_REPLY_SOFT);

    if (fetch_plan_read(&in, true, &plan) != RC_OK)
        return;
    for (size_t i = 0; i < plan.count; i++)
        fetch_plan_label(out, &plan.items[i]);
}

static void try_args(struct imap_parser in)
{
    struct search_limits limits = { 10, 100 };
    struct search_program program;
    struct imap_args_append append;
    struct imap_parser copy = in;
    unsigned items;
    uint32_t flags;
    int64_t date;
    bool others;

    try_plan(in);
    if (search_program_read(&copy, limits, &program) == RC_OK)
        CHECK(program.nodes <= SEARCH_PROGRAM_NODES);
    copy = in;
    (void)imap_args_append(&copy, &append);
    copy = in;
    (void)imap_args_flags(&copy, true, &flags, &others);
    copy = in;
    (void)imap_args_date_time(&copy, &date);
    copy = in;
    (void)imap_status_items(&copy, &items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    str_t text = str_n((const char *)data, size);
    struct imap_session session = { .state = ST_SELECTED, .tls = true };
    struct imap_list_request request;
    struct imap_cmd cmd = { .session = &session };
    struct imap_parser in;
    struct imap_set set;

    if (arena == NULL)
        arena = arena_new();
    cmd.arena = arena;
    cmd.out = arena_buf(arena, IMAP_REPLY_SOFT);
    if (imap_command_parse(&cmd, text)) {
        in = cmd.args;
        try_args(in);
        if (imap_list_read(&cmd, &request))
            CHECK(request.pattern_count <= IMAP_LIST_PATTERNS);
    }
    imap_parser_init(&in, arena, text);
    try_args(in);
    try_name(arena, text);
    (void)imap_login_prompt(text);
    if (imap_set_parse(arena, text, 9, &set) == RC_OK)
        CHECK(set.count > 0);
    arena_reset(arena);
    return 0;
}
