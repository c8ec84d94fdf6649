/* JSON as a stream: objects and lists; see json_scan.h. */
#include <string.h>

#include "base/memory.h"
#include "formats/json_scan_window.h"

enum { DEPTH = 512 /* of brackets within a value that is skipped */ };

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
        weld_scan_number(s);
        break;
    case WELD_SCAN_WORD:
        weld_scan_word(s);
        break;
    default:
        weld_scan_expected(s, "a value");
    }
}

bool weld_scan_flag(weld_scan *s, bool *out) {
    const weld_scan_kind kind = weld_scan_peek(s);
    double value = kind == WELD_SCAN_NUMBER ? weld_scan_number(s) : -1;
    if (kind == WELD_SCAN_WORD) {
        const char word = weld_scan_word(s);
        value = word == 't' ? 1 : word == 'f' ? 0 : -1;
    } else if (kind != WELD_SCAN_NUMBER) {
        weld_scan_skip(s);
    }
    *out = value == 1;
    return value == 0 || value == 1;
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
