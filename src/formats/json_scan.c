/* JSON as a stream: files, objects and lists; see json_scan.h. */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/json_scan_window.h"

enum { DEPTH = 512 /* of brackets within a value that is skipped */ };

void weld_scan_close(weld_scan *s) {
    if (s) {
        close(s->descriptor);
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
    s->status = weld_fail(s->err, WELD_ERROR_FORMAT, "%s: offset %llu: %s", s->path,
                          (unsigned long long)(s->at + s->next), text);
}

bool weld_scan_refill(weld_scan *s) {
    const uint64_t at = s->at + s->filled, left = s->size - at;
    if (s->status || left == 0) {
        return false;
    }
    const size_t bytes = left < WELD_SCAN_WINDOW ? (size_t)left : WELD_SCAN_WINDOW;
    s->status = weld_file_read_at(s->descriptor, s->path, s->window, bytes, at, s->err);
    s->at = at;
    s->next = 0;
    s->filled = s->status ? 0 : bytes;
    return !s->status;
}

weld_status weld_scan_open(const char *path, weld_scan **out, weld_error *err) {
    weld_scan *s = weld_alloc_raw(1, sizeof *s);
    if (!s) {
        return weld_fail_memory(err, path);
    }
    s->path = path;
    s->err = err;
    s->status = WELD_OK;
    s->at = 0;
    s->next = s->filled = 0;
    s->first = false;
    s->text = WELD_TEXT;
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

void weld_scan_expected(weld_scan *s, const char *what) {
    const int c = weld_scan_character(s);
    if (c < 0) {
        weld_scan_fail(s, "the file ends where %s is expected: it was cut", what);
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

/* --- Objects and lists --- */

void weld_scan_object(weld_scan *s) {
    weld_scan_take(s, '{', "an object, {...},");
    s->first = true;
}

void weld_scan_list(weld_scan *s) {
    weld_scan_take(s, '[', "a list, [...],");
    s->first = true;
}

/* Is there another, behind the comma that is between two? */
static bool go_on(weld_scan *s, int end, const char *what) {
    const bool first = s->first;
    const int c = weld_scan_past_space(s);
    s->first = false;
    if (c == end) {
        s->next++;
        return false;
    }
    return first ? !s->status : weld_scan_take(s, ',', what);
}

const char *weld_scan_key(weld_scan *s) {
    if (!go_on(s, '}', "a comma or }")) {
        return NULL;
    }
    weld_scan_string(s);
    weld_scan_take(s, ':', "a colon");
    return s->status ? NULL : weld_text_get(&s->text);
}

bool weld_scan_element(weld_scan *s) {
    return go_on(s, ']', "a comma or ]") && !s->status;
}

/* A text that is not kept. */
static void skip_string(weld_scan *s) {
    int c;
    for (s->next++; (c = weld_scan_character(s)) >= 0 && c != '"'; s->next++) {
        if (c == '\\') {
            s->next++;
            if (weld_scan_character(s) < 0) {
                break;
            }
        }
    }
    if (c == '"' && !s->status) {
        s->next++;
    } else {
        weld_scan_expected(s, "the end of a text");
    }
}

/* From an opening bracket to its counterpart. */
static void skip_brackets(weld_scan *s) {
    char closing[DEPTH];
    int depth = 0, c;
    while ((c = weld_scan_character(s)) >= 0) {
        if (c == '"') {
            skip_string(s);
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == DEPTH) {
                weld_scan_fail(s, "brackets more than %d deep", DEPTH);
                return;
            }
            closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closing[--depth] != c) {
                weld_scan_fail(s, "'%c' is expected, not '%c'", closing[depth], c);
                return;
            }
        }
        s->next++;
        if (depth == 0) {
            return;
        }
    }
    weld_scan_expected(s, "a closing bracket");
}

void weld_scan_skip(weld_scan *s) {
    switch (weld_scan_peek(s)) {
    case WELD_SCAN_OBJECT:
    case WELD_SCAN_LIST:
        skip_brackets(s);
        break;
    case WELD_SCAN_STRING:
        skip_string(s);
        break;
    case WELD_SCAN_NUMBER:
    case WELD_SCAN_WORD:
        weld_scan_flag(s);
        break;
    default:
        weld_scan_expected(s, "a value");
    }
}

void weld_scan_end(weld_scan *s) {
    if (weld_scan_past_space(s) >= 0) {
        weld_scan_fail(s, "something follows the end of the value");
    }
}

uint64_t weld_scan_tell(weld_scan *s) {
    weld_scan_past_space(s);
    return s->at + s->next;
}

void weld_scan_seek(weld_scan *s, uint64_t offset) {
    s->first = false;
    if (offset >= s->at && offset - s->at <= s->filled) {
        s->next = (size_t)(offset - s->at);
        return;
    }
    s->at = offset < s->size ? offset : s->size;
    s->next = s->filled = 0;
}
