/* forwarded.c - walk a list of addresses from its end. */
#include "net/forwarded.h"

#include "net/cidr.h"

/* Cut the last element off. */
static bool take_last(str_t *list, str_t *element)
{
    size_t at = list->n;

    if (list->n == 0)
        return false;
    while (at > 0 && list->p[at - 1] != ',')
        at--;
    *element = str_trim(str_skip(*list, at));
    *list = str_head(*list, at > 0 ? at - 1 : 0);
    return true;
}

static str_t unquote(str_t s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        return str_n(s.p + 1, s.n - 2);
    return s;
}

/* The for= parameter of one element of Forwarded. */
static str_t for_parameter(str_t element)
{
    str_t parameter, name;

    while (str_split(&element, ';', &parameter)) {
        parameter = str_trim(parameter);
        if (!str_split(&parameter, '=', &name)) /* between two semicolons */
            continue;
        if (str_eq_nocase(str_trim(name), S("for")))
            return unquote(str_trim(parameter));
    }
    return str_n(NULL, 0);
}

/* An address with or without brackets and port. */
static enum rc parse_node(str_t node, struct addr *out)
{
    size_t end = str_find_char(node, node.n > 0 && node.p[0] == '[' ? ']' : ':');
    bool bracketed = node.n > 0 && node.p[0] == '[';

    if (bracketed && end != SIZE_MAX)
        return addr_parse(str_head(node, end + 1), out);
    if (!bracketed && end != SIZE_MAX &&
        str_find_char(str_skip(node, end + 1), ':') == SIZE_MAX)
        node = str_head(node, end); /* one colon: IPv4 with a port */
    return addr_parse(node, out);
}

struct addr forwarded_client(const struct cidr_list *trusted, const struct addr *peer,
                             str_t x_forwarded_for, str_t forwarded)
{
    bool is_x = str_trim(x_forwarded_for).n > 0;
    str_t list = is_x ? x_forwarded_for : forwarded, element;
    struct addr client = *peer, next;

    while (cidr_list_has(trusted, &client) && take_last(&list, &element)) {
        if (parse_node(is_x ? element : for_parameter(element), &next) != RC_OK)
            break; /* "unknown" or nonsense: the one before it is the best we know */
        client = next;
    }
    return client;
}
