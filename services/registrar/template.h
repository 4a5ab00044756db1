/* template.h - HTML and XML files with holes for values.
 *
 * {{name}} is the value, escaped; {{&name}} is the value as it is, for markup that we
 * made ourselves; {{#name}} ... {{/name}} stays when the value is not empty and
 * {{^name}} ... {{/name}} when it is; sections may be nested.  Templates are part of the
 * program, so a hole without a value is our bug and stops the program.
 * Thread: any; pure.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>

struct template_value {
    const char *name;
    str_t text;
};

void template_render(str_t text, const struct template_value *values, size_t count,
                     struct buf *out);

/* Text that is safe between tags and inside a quoted attribute, in HTML and in XML. */
void template_escape(str_t text, struct buf *out);
