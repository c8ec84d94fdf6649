/* JSON as a tree; see json_tree.h. */
#include "formats/json_tree.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/json_scan_window.h"

enum { DEPTH = 200 };

static void fail_memory(weld_scan *s) {
    if (!s->status) {
        s->status = weld_fail_memory(s->err, s->path);
    }
}

static json_t *take_value(weld_scan *s, int depth);

/* Takes the value. */
static void set(weld_scan *s, json_t *object, const char *key, json_t *value) {
    if (s->status) {
        json_decref(value);
    } else if (json_object_get(object, key)) {
        weld_scan_fail(s, "the key \"%.100s\" comes twice", key);
        json_decref(value);
    } else if (json_object_set_new(object, key, value) != 0) {
        fail_memory(s);
    }
}

static json_t *take_object(weld_scan *s, int depth) {
    json_t *object = json_object();
    if (!object) {
        fail_memory(s);
    }
    weld_scan_object(s);
    for (const char *next; (next = weld_scan_key(s));) {
        char *key = weld_strdup(next); /* the scan's own lasts until the value is taken */
        if (!key) {
            fail_memory(s);
        }
        json_t *value = take_value(s, depth + 1);
        set(s, object, key, value);
        weld_free(key);
    }
    return object;
}

static json_t *take_list(weld_scan *s, int depth) {
    json_t *list = json_array();
    if (!list) {
        fail_memory(s);
    }
    weld_scan_list(s);
    while (weld_scan_element(s)) {
        json_t *value = take_value(s, depth + 1);
        if (s->status) {
            json_decref(value);
        } else if (json_array_append_new(list, value) != 0) {
            fail_memory(s);
        }
    }
    return list;
}

static json_t *take_number(weld_scan *s) {
    int64_t whole;
    double value;
    const bool is_whole = weld_scan_is_whole(s, &whole, &value);
    return s->status ? NULL : is_whole ? json_integer(whole) : json_real(value);
}

static json_t *take_word(weld_scan *s) {
    const char word = weld_scan_word(s);
    return word == 'n' ? json_null() : json_boolean(word == 't');
}

static json_t *take_string(weld_scan *s) {
    const char *text = weld_scan_string(s);
    return s->status ? NULL : json_string(text);
}

/* NULL after an error; what it got of an object or a list may be there all the same. */
static json_t *take_value(weld_scan *s, int depth) {
    json_t *value = NULL;
    if (depth > DEPTH) {
        weld_scan_fail(s, "brackets more than %d deep", DEPTH);
        return NULL;
    }
    switch (weld_scan_peek(s)) {
    case WELD_SCAN_OBJECT:
        value = take_object(s, depth);
        break;
    case WELD_SCAN_LIST:
        value = take_list(s, depth);
        break;
    case WELD_SCAN_STRING:
        value = take_string(s);
        break;
    case WELD_SCAN_NUMBER:
        value = take_number(s);
        break;
    case WELD_SCAN_WORD:
        value = take_word(s);
        break;
    default:
        weld_scan_expected(s, "a value");
    }
    if (!value) {
        fail_memory(s);
    }
    return value;
}

json_t *weld_json_tree(const char *text, size_t size, size_t *used, weld_json_fault *fault) {
    weld_scan *s;
    *fault = (weld_json_fault){0};
    fault->status = weld_scan_open_text(text, size, &s, &fault->what);
    if (fault->status) {
        return NULL;
    }
    json_t *value = take_value(s, 0);
    if (!used && !s->status) {
        weld_scan_end(s);
    }
    fault->status = s->status;
    fault->at = s->next;
    if (used) {
        *used = s->next;
    }
    weld_scan_close(s);
    if (fault->status) {
        json_decref(value);
        return NULL;
    }
    return value;
}

json_t *weld_json_tree_of(const char *text, weld_json_fault *fault) {
    return weld_json_tree(text, strlen(text), NULL, fault);
}

json_t *weld_json_utf8(const char *text, bool *wrong) {
    *wrong = !weld_is_utf8(text, strlen(text));
    return *wrong ? NULL : json_string(text);
}
