/* The part of a file that a scan has in memory; see json_scan_window.h and, of opening, closing and
 * errors, json_scan.h. */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/json_scan_window.h"

void weld_scan_close(weld_scan *s) {
    if (s) {
        if (s->descriptor >= 0) {
            close(s->descriptor);
        }
        weld_text_free(&s->text);
        weld_free(s);
    }
}

weld_status weld_scan_status(const weld_scan *s) {
    return s->status;
}

void weld_scan_fail(weld_scan *s, const char *format, ...) {
    char text[400];
    va_list args;
    if (s->status) {
        return;
    }
    va_start(args, format);
    weld_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->status = s->descriptor < 0 ? weld_fail(s->err, WELD_ERROR_FORMAT, "%s", text)
                                  : weld_fail(s->err, WELD_ERROR_FORMAT, "%s: offset %llu: %s",
                                              s->path, (unsigned long long)(s->at + s->next), text);
}

bool weld_scan_refill(weld_scan *s) {
    const uint64_t at = s->at + s->filled, left = s->size - at;
    if (s->status || left == 0) {
        return false;
    }
    const size_t bytes = left < WELD_SCAN_WINDOW ? (size_t)left : WELD_SCAN_WINDOW;
    s->status = weld_file_read_at(s->descriptor, s->path, s->buffer, bytes, at, s->err);
    s->at = at;
    s->next = 0;
    s->filled = s->status ? 0 : bytes;
    return !s->status;
}

static weld_scan *create(const char *path, size_t buffer, weld_error *err) {
    weld_scan *s = weld_alloc_raw(1, sizeof *s + buffer);
    if (s) {
        *s = (weld_scan){.path = path, .err = err, .descriptor = -1, .text = WELD_TEXT};
    }
    return s;
}

weld_status weld_scan_open(const char *path, weld_scan **out, weld_error *err) {
    enum { LONGEST = 1 << 20 }; /* paths and names are shorter */
    weld_scan *s = create(path, WELD_SCAN_WINDOW, err);
    if (!s) {
        return weld_fail_memory(err, path);
    }
    s->window = s->buffer;
    s->longest = LONGEST;
    const weld_status status = weld_file_open(path, &s->descriptor, &s->size, err);
    if (status) {
        weld_free(s);
        return status;
    }
    if (weld_scan_refill(s) && s->filled >= 3 && memcmp(s->window, "\xef\xbb\xbf", 3) == 0) {
        s->next = 3; /* a mark of UTF-8 */
    }
    *out = s;
    return WELD_OK;
}

weld_status weld_scan_open_text(const char *text, size_t size, weld_scan **out, weld_error *err) {
    weld_scan *s = create("JSON", 0, err);
    if (!s) {
        return weld_fail_memory(err, "JSON");
    }
    s->window = (const unsigned char *)text;
    s->size = s->filled = s->longest = size;
    *out = s;
    return WELD_OK;
}

void weld_scan_expected(weld_scan *s, const char *what) {
    const int c = weld_scan_character(s);
    if (c < 0) {
        weld_scan_fail(s, "the %s ends where %s is expected: it was cut",
                       s->descriptor < 0 ? "text" : "file", what);
    } else if (c > ' ' && c < 127) {
        weld_scan_fail(s, "%s is expected, not '%c'", what, c);
    } else {
        weld_scan_fail(s, "%s is expected, not the byte 0x%02x", what, (unsigned)c);
    }
}

bool weld_scan_take(weld_scan *s, int c, const char *what) {
    if (weld_scan_past_space(s) != c) {
        weld_scan_expected(s, what);
        return false;
    }
    s->next++;
    return true;
}

weld_scan_kind weld_scan_peek(weld_scan *s) {
    const int c = weld_scan_past_space(s);
    switch (c) {
    case '{':
        return WELD_SCAN_OBJECT;
    case '[':
        return WELD_SCAN_LIST;
    case '"':
        return WELD_SCAN_STRING;
    case 't':
    case 'f':
    case 'n':
        return WELD_SCAN_WORD;
    default:
        return (c >= '0' && c <= '9') || c == '-' || c == 'N' || c == 'I' ? WELD_SCAN_NUMBER
                                                                          : WELD_SCAN_NOTHING;
    }
}
