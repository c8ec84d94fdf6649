/* JSON; see json.h. */
#include "formats/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/json_text.h"
#include "formats/json_tree.h"

void weld_json_fail(weld_json *j, const char *format, ...) {
    if (j->status != WELD_OK) {
        return;
    }
    char reason[256];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    j->status = weld_fail(j->err, WELD_ERROR_FORMAT, "%s: %s: the file was not made by weld",
                          j->where, reason);
}

static json_t *parse(weld_json *j, const char *text, size_t limit) {
    weld_json_fault fault;
    if (strlen(text) > limit) {
        weld_json_fail(j, "more than %zu bytes of JSON", limit);
        return NULL;
    }
    json_t *root = weld_json_tree_of(text, &fault);
    if (!root && fault.status == WELD_ERROR_MEMORY) {
        j->status = weld_fail_memory(j->err, j->where);
    } else if (!root) {
        weld_json_fail(j, "byte %zu: %s", fault.at, fault.what.message);
    }
    return root;
}

json_t *weld_json_parse(weld_json *j, const char *text) {
    json_t *root = parse(j, text, WELD_JSON_MAX);
    if (root && !json_is_object(root)) {
        weld_json_fail(j, "not a JSON object");
        json_decref(root);
        return NULL;
    }
    return root;
}

json_t *weld_json_parse_list(weld_json *j, const char *text) {
    json_t *root = parse(j, text, 4 * WELD_JSON_MAX);
    if (root && !json_is_array(root)) {
        weld_json_fail(j, "not a JSON list");
        json_decref(root);
        return NULL;
    }
    return root;
}

static const json_t *member(weld_json *j, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!value) {
        weld_json_fail(j, "no %s", key);
    }
    return value;
}

const char *weld_json_string(weld_json *j, const json_t *object, const char *key) {
    const char *text = json_string_value(member(j, object, key));
    if (!text) {
        weld_json_fail(j, "%s: not a text", key);
        return "";
    }
    return text;
}

static int64_t check_int(weld_json *j, const json_t *value, const char *key, int64_t min,
                         int64_t max) {
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        weld_json_fail(j, "%s: not an integer from %lld to %lld", key, (long long)min,
                       (long long)max);
        return min;
    }
    return json_integer_value(value);
}

int64_t weld_json_int(weld_json *j, const json_t *object, const char *key, int64_t min,
                      int64_t max) {
    return check_int(j, member(j, object, key), key, min, max);
}

int64_t weld_json_int_at(weld_json *j, const json_t *array, size_t i, const char *key, int64_t min,
                         int64_t max) {
    return check_int(j, json_array_get(array, i), key, min, max);
}

static double check_real(weld_json *j, const json_t *value, const char *key) {
    if (!json_is_number(value)) {
        weld_json_fail(j, "%s: not a number", key);
        return 0;
    }
    return json_number_value(value);
}

double weld_json_real(weld_json *j, const json_t *object, const char *key) {
    return check_real(j, member(j, object, key), key);
}

double weld_json_real_at(weld_json *j, const json_t *array, size_t i, const char *key) {
    return check_real(j, json_array_get(array, i), key);
}

bool weld_json_bool(weld_json *j, const json_t *object, const char *key) {
    const json_t *value = member(j, object, key);
    if (!json_is_boolean(value)) {
        weld_json_fail(j, "%s: not true or false", key);
    }
    return json_is_true(value);
}

const json_t *weld_json_array(weld_json *j, const json_t *object, const char *key, size_t min,
                              size_t max) {
    const json_t *value = member(j, object, key);
    if (!json_is_array(value) || json_array_size(value) < min || json_array_size(value) > max) {
        weld_json_fail(j, "%s: not a list of %zu to %zu", key, min, max);
        return NULL;
    }
    return value;
}

void weld_json_no_more(weld_json *j, const json_t *object, size_t count) {
    if (json_object_size(object) > count) {
        const char *last = "";
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)object, key, value) {
            last = key;
        }
        weld_json_fail(j, "more members than are known, the last \"%.40s\"", last);
    }
}

void weld_json_append(json_t **list, json_t *value) {
    if (json_array_append_new(*list, value) != 0) {
        json_decref(*list);
        *list = NULL;
    }
}

void weld_json_set(json_t **object, const char *key, json_t *value) {
    if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

weld_status weld_json_text(json_t *value, const char *where, char **text, weld_error *err) {
    *text = weld_json_dump(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(value);
    return *text ? WELD_OK : weld_fail_memory(err, where);
}
