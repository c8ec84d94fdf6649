/* JSON made by hand; see json_text.h. */
#include "formats/json_text.h"

#include <math.h>
#include <stdlib.h>

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

void weld_json_add_member(weld_text *t, const char *key, double value) {
    char piece[WELD_NUMBER_SIZE];
    weld_text_format(t, "\"%s\":", key);
    weld_text_add(t, isfinite(value) ? weld_number_text(value, false, 1, piece) : "null");
}
