/* JSON made by hand; see json_text.h. */
#include "formats/json_text.h"

#include <math.h>

#include "base/memory.h"
#include "base/number.h"
#include "formats/json_tree.h"

json_t *weld_json_name(const char *name) {
    bool wrong;
    json_t *value = weld_json_utf8(name, &wrong);
    if (wrong) {
        char *copy = weld_strdup(name);
        for (char *at = copy; at && *at; at++) {
            *at = (unsigned char)*at > 126 ? '?' : *at;
        }
        value = copy ? json_string(copy) : NULL;
        weld_free(copy);
    }
    return value;
}

json_t *weld_json_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

char *weld_json_dump(const json_t *value, size_t flags) {
    const size_t size = value ? json_dumpb(value, NULL, 0, flags) : 0; /* 0: memory is short */
    char *text = size ? weld_alloc_raw(size + 1, 1) : NULL;
    if (text && json_dumpb(value, text, size, flags) != size) {
        weld_free(text);
        return NULL;
    }
    if (text) {
        text[size] = '\0';
    }
    return text;
}

void weld_json_add_name(weld_text *t, const char *name) {
    json_t *value = weld_json_name(name);
    char *quoted = weld_json_dump(value, JSON_ENCODE_ANY);
    if (quoted) {
        weld_text_add(t, quoted);
    }
    t->failed = t->failed || !quoted;
    weld_free(quoted);
    json_decref(value);
}

void weld_json_add_member(weld_text *t, const char *key, double value) {
    char piece[WELD_NUMBER_SIZE];
    weld_text_format(t, "\"%s\":", key);
    weld_text_add(t, isfinite(value) ? weld_number_text(value, false, 1, piece) : "null");
}
