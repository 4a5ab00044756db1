/* route_alias_set.c - PUT /api/v1/aliases/{name}: it stands for these from now on. */
#include "account/aliases.h"
#include "api_alias.h"
#include "api_reply.h"
#include "json.h"
#include "net/http_server.h"
#include "route.h"
#include "store/store_alias.h"
#include "web.h"

static bool take_targets(struct http_exchange *x, struct store_alias *out)
{
    char why[ALIASES_WHY_BYTES];
    bool fine = json_alias_targets(x->arena, x->request.body, &out->targets,
                                   &out->target_count) &&
                out->target_count <= ALIASES_TARGETS_MAX;

    for (size_t i = 0; i < out->target_count && fine; i++)
        fine = aliases_target(x->arena, out->targets[i], &out->targets[i], why) == RC_OK;
    if (!fine)
        api_reply_status(
            x, 400,
            "The body says for whom it stands: {\"targets\": "
            "[\"ann@chat.example\", \"bob\"]}, 1 to 1000 addresses or names.");
    return fine;
}

void route_alias_set(const struct web *web, struct http_exchange *x)
{
    struct store_alias alias = { .target_count = 0 };

    if (api_alias_key(web, x, &alias.key) && take_targets(x, &alias))
        api_alias_reply(web, x, alias.key, store_alias_set(web->db, &alias));
}
