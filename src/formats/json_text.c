/* JSON made by hand; see json_text.h. */
#include "formats/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

json_t *weld_json_name(const char *name) {
    json_t *value = json_string(name);
    if (!value) {
        char *copy = weld_strdup(name);
        for (char *at = copy; at && *at; at++) {
            *at = (unsigned char)*at > 126 ? '?' : *at;
        }
        value = copy ? json_string(copy) : NULL;
        weld_free(copy);
    }
    return value;
}

void weld_json_add_name(weld_text *t, const char *name) {
    json_t *value = weld_json_name(name);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (quoted) {
        weld_text_add(t, quoted);
    }
    t->failed = t->failed || !quoted;
    free(quoted);
    json_decref(value);
}

void weld_json_add_number(weld_text *t, double value) {
    char piece[40] = "null";
    for (int digits = 1; digits <= 17 && isfinite(value); digits++) {
        snprintf(piece, sizeof piece, "%.*g", digits, value);
        if (strtod(piece, NULL) == value) {
            break;
        }
    }
    weld_text_add(t, piece);
}

void weld_json_add_member(weld_text *t, const char *key, double value) {
    weld_text_format(t, "\"%s\":", key);
    weld_json_add_number(t, value);
}
