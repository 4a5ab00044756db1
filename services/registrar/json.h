/* json.h - the JSON that the registrar answers with.
 *
 * The registrar's only door to jansson.  Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

/* {"email", "password"[, "dclogin_url"]}: chatmail spec 1.1.  An empty dclogin_url is
 * left out. */
void json_credentials(str_t email, str_t password, str_t dclogin_url, struct buf *out);

/* {"reason"}: Delta Chat shows it to the person. */
void json_reason(str_t reason, struct buf *out);
