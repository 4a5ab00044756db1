/* page.h - the values of one page, and its rendering.
 *
 * The values that every page may use (domain, names, figures) are set by page_new; a
 * route adds its own.  Thread: the exchange's; memory is the arena's.
 */
#pragma once

#include "base/str.h"

struct arena;
struct page;
struct site;

struct page *page_new(const struct site *site, struct arena *a);
void page_set(struct page *p, const char *name, str_t text);

/* The whole document: file of pages/ within layout.html. */
str_t page_render(struct page *p, const char *title, const char *file);
/* The file alone, for XML and plain text. */
str_t page_render_bare(struct page *p, const char *file);
