/* milter_dialogue.c - a list of steps, of which each milter says what it wants to hear.
 */
#include "smtp/milter_dialogue.h"

#include "base/arena.h"
#include "smtp/milter_packet.h"

#include <string.h>

enum { SPEAK_BYTES = 65536 };

enum step {
    STEP_OPTIONS,
    STEP_CONNECT,
    STEP_HELLO,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_HEADER,
    STEP_EOH,
    STEP_BODY,
    STEP_END,
    STEP_OVER
};

/* By step: its command, and the flags of who does not want it, or does not answer. */
static const struct {
    char command;
    uint32_t unwanted, silent;
} steps[] = {
    [STEP_OPTIONS] = { 'O', 0, 0 },
    [STEP_CONNECT] = { 'C', MILTER_NO_CONNECT, MILTER_SILENT_CONNECT },
    [STEP_HELLO] = { 'H', MILTER_NO_HELLO, MILTER_SILENT_HELLO },
    [STEP_MAIL] = { 'M', MILTER_NO_MAIL, MILTER_SILENT_MAIL },
    [STEP_RCPT] = { 'R', MILTER_NO_RCPT, MILTER_SILENT_RCPT },
    [STEP_DATA] = { 'T', MILTER_NO_DATA, MILTER_SILENT_DATA },
    [STEP_HEADER] = { 'L', MILTER_NO_HEADERS, MILTER_SILENT_HEADER },
    [STEP_EOH] = { 'N', MILTER_NO_EOH, MILTER_SILENT_EOH },
    [STEP_BODY] = { 'B', MILTER_NO_BODY, MILTER_SILENT_BODY },
    [STEP_END] = { 'E', 0, 0 },
};

void milter_dialogue_init(struct milter_dialogue *d, struct arena *a,
                          const struct milter_message *about)
{
    *d = (struct milter_dialogue){ .arena = a, .about = about };
    d->last_wish = &d->wishes;
    d->text = S("");
    d->body_at = header_end(about->message);
    header_init(&d->header, about->message);
    buf_init(&d->body, about->body_max_bytes);
}

void milter_dialogue_fini(struct milter_dialogue *d)
{
    buf_fini(&d->body);
}

/* --- what is said ---------------------------------------------------------------------
 */

static void put_macros(struct milter_dialogue *d, char before, struct buf *out)
{
    const struct milter_message *m = d->about;
    size_t begun = milter_packet_begin(out, 'D');

    buf_putc(out, before);
    for (size_t i = 0; i < m->macro_count; i++) {
        if (m->macros[i].before != before || m->macros[i].value.n == 0)
            continue;
        milter_packet_text(out, str_of(m->macros[i].name));
        milter_packet_text(out, m->macros[i].value);
    }
    if (before == 'R') {
        milter_packet_text(out, S("{rcpt_addr}"));
        milter_packet_text(out, m->recipients[d->recipient]);
    }
    milter_packet_end(out, begun);
}

static void put_address(struct buf *out, str_t address)
{
    buf_putc(out, '<');
    buf_put(out, address);
    milter_packet_text(out, S(">"));
}

/* A value as a milter wants it: folds without CR, and without the blank behind the colon
 * that stands for nothing, unless it wants to see all. */
static void put_value(const struct milter_dialogue *d, struct buf *out, str_t value)
{
    bool whole = (d->steps & MILTER_LEADING_SPACE) != 0;

    if (!whole && value.n > 0 && value.p[0] == ' ')
        value = str_skip(value, 1);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\r')
            buf_putc(out, value.p[i]);
    buf_putc(out, '\0');
}

static void put_connect(const struct milter_message *m, struct buf *out)
{
    milter_packet_text(out, m->client_name);
    buf_putc(out, m->client_family);
    if (m->client_family == 'U')
        return;
    milter_packet_u16(out, m->client_port);
    milter_packet_text(out, m->client_address);
}

/* The next header field.  False: there is none. */
static bool next_field(struct milter_dialogue *d, struct header_field *f)
{
    struct header_iter first;

    if (d->first_told)
        return header_next(&d->header, f);
    d->first_told = true;
    header_init(&first, d->about->first);
    return header_next(&first, f) || header_next(&d->header, f);
}

static str_t next_piece(struct milter_dialogue *d)
{
    str_t piece =
        str_head(str_skip(d->about->message, d->body_at), MILTER_PACKET_BODY_BYTES);

    d->body_at += piece.n;
    return piece;
}

/* The data of the step's next packet.  False: it has no more packets. */
static bool put_data(struct milter_dialogue *d, struct buf *out)
{
    const struct milter_message *m = d->about;
    struct header_field f;
    str_t piece;

    switch ((enum step)d->step) {
    case STEP_OPTIONS:
        milter_packet_u32(out, MILTER_PACKET_VERSION);
        milter_packet_u32(out, MILTER_ACTIONS);
        milter_packet_u32(out, MILTER_STEPS);
        return true;
    case STEP_CONNECT:
        put_connect(m, out);
        return true;
    case STEP_HELLO:
        milter_packet_text(out, m->hello);
        return true;
    case STEP_MAIL:
        put_address(out, m->sender);
        return true;
    case STEP_RCPT:
        if (d->recipient >= m->recipient_count)
            return false;
        put_address(out, m->recipients[d->recipient++]);
        return true;
    case STEP_HEADER:
        if (!next_field(d, &f))
            return false;
        milter_packet_text(out, f.name);
        put_value(d, out, f.value);
        return true;
    case STEP_BODY:
        piece = next_piece(d);
        buf_put(out, piece);
        return piece.n > 0;
    default:
        return true;
    }
}

static bool has_many(enum step s)
{
    return s == STEP_RCPT || s == STEP_HEADER || s == STEP_BODY;
}

/* One packet, with the macros before it; then it is awaited, or the next one's turn. */
static void speak_once(struct milter_dialogue *d, struct buf *out)
{
    enum step now = (enum step)d->step;
    size_t before = out->n, begun;

    if ((d->steps & steps[now].unwanted) != 0) {
        d->step++;
        return;
    }
    if (strchr("CHMTE", steps[now].command) != NULL ||
        (now == STEP_RCPT && d->recipient < d->about->recipient_count))
        put_macros(d, steps[now].command, out);
    begun = milter_packet_begin(out, steps[now].command);
    if (!put_data(d, out)) {
        buf_truncate(out, before);
        d->step++;
        return;
    }
    milter_packet_end(out, begun);
    d->awaits = (d->steps & steps[now].silent) == 0;
    if (!d->awaits && !has_many(now))
        d->step++;
}

static void put_quit(struct buf *out)
{
    milter_packet_end(out, milter_packet_begin(out, 'Q'));
}

enum milter_turn milter_dialogue_speak(struct milter_dialogue *d, struct buf *out)
{
    while (!d->awaits && d->step != STEP_OVER && out->n < SPEAK_BYTES)
        speak_once(d, out);
    if (d->step == STEP_OVER)
        put_quit(out);
    return d->step == STEP_OVER ? MILTER_OVER : d->awaits ? MILTER_LISTEN : MILTER_SPEAK;
}

/* --- what is heard --------------------------------------------------------------------
 */

static enum rc options(struct milter_dialogue *d, str_t data)
{
    uint32_t version, actions, wanted;

    if (!milter_packet_take_u32(&data, &version) ||
        !milter_packet_take_u32(&data, &actions) ||
        !milter_packet_take_u32(&data, &wanted))
        return RC_INVALID;
    if (version < 2 || version > MILTER_PACKET_VERSION ||
        (actions & ~(uint32_t)MILTER_ACTIONS) != 0 ||
        (wanted & ~(uint32_t)MILTER_STEPS) != 0)
        return RC_INVALID;
    d->steps = wanted;
    d->awaits = false;
    d->step++;
    return RC_OK;
}

static enum rc over(struct milter_dialogue *d, enum milter_verdict verdict)
{
    d->verdict = verdict;
    d->awaits = false;
    d->step = STEP_OVER;
    return RC_OK;
}

static enum rc goes_on(struct milter_dialogue *d)
{
    if (d->step == STEP_END)
        return over(d, MILTER_PASSES);
    d->awaits = false;
    if (!has_many((enum step)d->step))
        d->step++;
    return RC_OK;
}

static enum rc skip(struct milter_dialogue *d)
{
    if (d->step != STEP_BODY || (d->steps & MILTER_MAY_SKIP) == 0)
        return RC_INVALID;
    d->awaits = false;
    d->step++;
    return RC_OK;
}

static bool is_enhanced(str_t s)
{
    int dots = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.')
            dots++;
        else if (!str_is_digit(s.p[i]))
            return false;
    }
    return dots == 2 && s.n >= 5 && s.n <= 9 && s.p[1] == '.' && s.p[s.n - 1] != '.';
}

/* "550 5.7.1 text", of which more lines may follow: they are not passed on. */
static enum rc reply(struct milter_dialogue *d, str_t data)
{
    uint64_t code;
    str_t text, word;
    char *p;

    if (!milter_packet_take_text(&data, &text))
        return RC_INVALID;
    if (text.n < 3 || !str_to_u64(str_head(text, 3), 599, &code) || code < 400 ||
        (text.n > 3 && text.p[3] != ' ' && text.p[3] != '-'))
        return RC_INVALID;
    d->code = (int)code;
    data = str_trim(str_skip(text, 4));
    if (!str_split(&data, '\n', &text))
        text = S("");
    word = str_head(text, str_find_char(text, ' '));
    if (is_enhanced(word) && word.p[0] - '0' == d->code / 100) {
        d->enhanced = arena_cstr(d->arena, word);
        text = str_skip(text, word.n);
    }
    text = str_head(str_trim(text), MILTER_DIALOGUE_TEXT_MAX_BYTES);
    p = arena_cstr(d->arena, text);
    for (size_t i = 0; i < text.n; i++)
        if (p[i] < ' ' || p[i] > '~')
            p[i] = '?';
    d->text = str_n(p, text.n);
    return over(d, MILTER_REPLIES);
}

static enum rc keep(struct milter_dialogue *d, struct milter_wish w)
{
    struct milter_wish *kept;

    d->wish_count++;
    d->wish_bytes += w.name.n + w.value.n;
    if (d->wish_count > MILTER_DIALOGUE_WISHES_MAX ||
        d->wish_bytes > MILTER_DIALOGUE_WISH_BYTES_MAX)
        return RC_LIMIT;
    w.name = arena_str(d->arena, w.name);
    w.value = arena_str(d->arena, w.value);
    kept = arena_copy(d->arena, &w, sizeof(w));
    *d->last_wish = kept;
    d->last_wish = &kept->next;
    return RC_OK;
}

static enum rc field_wish(struct milter_dialogue *d, enum milter_wish_kind kind,
                          str_t data)
{
    struct milter_wish w = { .kind = kind };

    if (kind != MILTER_WISH_ADD && !milter_packet_take_u32(&data, &w.index))
        return RC_INVALID;
    if (!milter_packet_take_text(&data, &w.name) ||
        !milter_packet_take_text(&data, &w.value) || w.name.n == 0)
        return RC_INVALID;
    return keep(d, w);
}

static enum rc text_wish(struct milter_dialogue *d, enum milter_wish_kind kind,
                         str_t data)
{
    struct milter_wish w = { .kind = kind };

    if (!milter_packet_take_text(&data, &w.value))
        return RC_INVALID;
    if (w.value.n >= 2 && w.value.p[0] == '<' && w.value.p[w.value.n - 1] == '>')
        w.value = str_n(w.value.p + 1, w.value.n - 2);
    return keep(d, w);
}

static enum rc body_wish(struct milter_dialogue *d, str_t data)
{
    d->has_body = true;
    return buf_put(&d->body, data);
}

/* What may be wanted at the end only. */
static enum rc wish(struct milter_dialogue *d, char command, str_t data)
{
    if (d->step != STEP_END)
        return RC_INVALID;
    switch (command) {
    case 'h':
        return field_wish(d, MILTER_WISH_ADD, data);
    case 'i':
        return field_wish(d, MILTER_WISH_INSERT, data);
    case 'm':
        return field_wish(d, MILTER_WISH_CHANGE, data);
    case 'b':
        return body_wish(d, data);
    case '+':
    case '2':
        return text_wish(d, MILTER_WISH_RECIPIENT, data);
    case '-':
        return text_wish(d, MILTER_WISH_NO_RECIPIENT, data);
    case 'e':
        return text_wish(d, MILTER_WISH_SENDER, data);
    case 'q':
        return text_wish(d, MILTER_WISH_QUARANTINE, data);
    default:
        return RC_INVALID;
    }
}

enum rc milter_dialogue_hear(struct milter_dialogue *d, char command, str_t data)
{
    if (!d->awaits)
        return RC_INVALID;
    if (d->step == STEP_OPTIONS)
        return command == 'O' ? options(d, data) : RC_INVALID;
    switch (command) {
    case 'p':
        return RC_OK; /* it lives, and thinks */
    case 'c':
        return goes_on(d);
    case 's':
        return skip(d);
    case 'a':
        return over(d, MILTER_PASSES);
    case 'r':
        return over(d, MILTER_REJECTS);
    case 't':
    case 'f':
        return over(d, MILTER_FAILS);
    case 'd':
        return over(d, MILTER_DISCARDS);
    case 'y':
        return reply(d, data);
    default:
        return wish(d, command, data);
    }
}
