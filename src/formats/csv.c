/* Comma-separated values; see csv.h. Fields are ended and taken out of their quotes in place. */
#include "formats/csv.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

#define FILE_LIMIT ((uint64_t)1 << 30)

struct weld_csv {
    const char *path;
    char *text, *at, *end; /* behind the end is a zero */
    int64_t line;          /* at which `at` is */
    int64_t record;        /* at which the last record began */
};

static weld_status check_text(const weld_csv *c, size_t size, weld_error *err) {
    const char *text = c->text;
    if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: is UTF-16: save it as UTF-8", c->path);
    }
    const char *zero = memchr(text, '\0', size);
    return zero ? weld_fail(err, WELD_ERROR_FORMAT, "%s: is no text: byte %lld is 0", c->path,
                            (long long)(zero - text))
                : WELD_OK;
}

weld_status weld_csv_open(const char *path, weld_csv **out, weld_error *err) {
    weld_csv *c = weld_alloc(1, sizeof *c);
    void *text = NULL;
    size_t size = 0;
    if (!c) {
        return weld_fail_memory(err, path);
    }
    c->path = path;
    weld_status status = weld_file_read(path, FILE_LIMIT, &text, &size, err);
    c->text = text;
    status = status ? status : check_text(c, size, err);
    if (status) {
        weld_csv_close(c);
        return status;
    }
    c->at = c->text + (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    c->end = c->text + size;
    c->line = 1;
    *out = c;
    return WELD_OK;
}

void weld_csv_close(weld_csv *c) {
    if (c) {
        weld_free(c->text);
        weld_free(c);
    }
}

int64_t weld_csv_line(const weld_csv *c) {
    return c->record;
}

static bool ends_line(char byte) {
    return byte == '\n' || byte == '\r';
}

/* Behind an end of line, one byte or two. */
static char *skip_end(char *at) {
    return at + (at[0] == '\r' && at[1] == '\n' ? 2 : 1);
}

static weld_status fail(const weld_csv *c, int64_t line, const char *what, weld_error *err) {
    return weld_fail(err, WELD_ERROR_FORMAT, "%s:%lld: %s", c->path, (long long)line, what);
}

/* What stands between quotes, of which c->at is the first; *to: where the field ends. */
static weld_status read_quoted(weld_csv *c, char **to, weld_error *err) {
    const int64_t line = c->line;
    char *out = c->at++;
    for (;;) {
        if (c->at == c->end) {
            return fail(c, line, "a quote that no other ends", err);
        }
        if (*c->at == '"' && c->at[1] != '"') {
            break;
        }
        c->at += *c->at == '"';
        c->line += *c->at == '\n' || (*c->at == '\r' && c->at[1] != '\n');
        *out++ = *c->at++;
    }
    c->at++;
    *to = out;
    return c->at == c->end || *c->at == ',' || ends_line(*c->at)
               ? WELD_OK
               : fail(c, c->line,
                      "more after the quote that ends a field: a comma is expected (within quotes, "
                      "a quote is written twice)",
                      err);
}

static weld_status read_plain(weld_csv *c, char **to, weld_error *err) {
    while (c->at < c->end && *c->at != ',' && !ends_line(*c->at)) {
        if (*c->at++ == '"') {
            return fail(c, c->line,
                        "a quote within a field that does not begin with one: put all of the field "
                        "in quotes, and write this one twice",
                        err);
        }
    }
    *to = c->at;
    return WELD_OK;
}

/* One field, and what ends it; *last: it is the record's. */
static weld_status read_field(weld_csv *c, weld_array *fields, bool *last, weld_error *err) {
    const char *field = c->at;
    char *to = c->at;
    WELD_TRY(*c->at == '"' ? read_quoted(c, &to, err) : read_plain(c, &to, err));
    *last = c->at == c->end || *c->at != ',';
    if (c->at < c->end) {
        c->line += *last;
        c->at = *last ? skip_end(c->at) : c->at + 1;
    }
    *to = 0;
    return weld_array_append(fields, &field, 1) ? WELD_OK : weld_fail_memory(err, c->path);
}

weld_status weld_csv_next(weld_csv *c, weld_array *fields, weld_error *err) {
    bool last = false;
    fields->count = 0;
    for (; c->at < c->end && ends_line(*c->at); c->line++) {
        c->at = skip_end(c->at);
    }
    c->record = c->line;
    for (bool more = c->at < c->end; more && !last;) {
        WELD_TRY(read_field(c, fields, &last, err));
    }
    return WELD_OK;
}
