/* Reading data.yaml; see data_yaml.h. */
#include "datasets/data_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

enum { LARGEST = 16 << 20, /* bytes */ CLASSES_MAX = 1 << 20 };

typedef struct reading {
    const char *path;
    yaml_document_t document;
    weld_data_yaml *out;
    int64_t class_count; /* nc; -1: not told */
    weld_error *err;
} reading;

const char *weld_data_yaml_text(const weld_data_yaml *y, uint64_t at) {
    return (const char *)y->texts.data + at;
}

void weld_data_yaml_free(weld_data_yaml *y) {
    weld_array_free(&y->texts);
    for (int i = 0; i < WELD_PARTS; i++) {
        weld_array_free(&y->parts[i]);
    }
    weld_array_free(&y->names);
}

static weld_status fail_at(const reading *r, const yaml_node_t *node, const char *what) {
    return weld_fail(r->err, WELD_ERROR_FORMAT, "%s:%zu: %s", r->path, node->start_mark.line + 1,
                     what);
}

/* A scalar without zero bytes in it, or NULL. */
static const char *text_of(const yaml_node_t *node) {
    const bool is_text = node && node->type == YAML_SCALAR_NODE &&
                         strlen((const char *)node->data.scalar.value) == node->data.scalar.length;
    return is_text ? (const char *)node->data.scalar.value : NULL;
}

static bool is_null(const yaml_node_t *node) {
    const char *text = text_of(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "null") == 0 || strcmp(text, "~") == 0);
}

static bool keep(reading *r, const char *text, uint64_t *at) {
    *at = r->out->texts.count;
    return weld_array_append_text(&r->out->texts, text);
}

/* A whole number of at most 2^31, or -1. */
static int64_t number_of(const char *text) {
    int64_t value = 0;
    const char *c = text ? text : "";
    for (; *c >= '0' && *c <= '9' && value <= INT32_MAX; c++) {
        value = value * 10 + (*c - '0');
    }
    return text && c > text && !*c && value <= INT32_MAX ? value : -1;
}

/* --- Parts --- */

static weld_status add_part(reading *r, weld_array *to, const yaml_node_t *node) {
    uint64_t at;
    const char *text = text_of(node);
    if (!text || !*text) {
        return fail_at(r, node, "a folder or a list of images is expected here");
    }
    return keep(r, text, &at) && weld_array_append(to, &at, 1) ? WELD_OK
                                                               : weld_fail_memory(r->err, r->path);
}

static weld_status read_part(reading *r, weld_array *to, const yaml_node_t *node) {
    if (node->type != YAML_SEQUENCE_NODE) {
        return is_null(node) ? WELD_OK : add_part(r, to, node);
    }
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        WELD_TRY(add_part(r, to, yaml_document_get_node(&r->document, *item)));
    }
    return WELD_OK;
}

/* --- Names --- */

typedef struct name {
    int64_t index;
    const yaml_node_t *node;
} name;

static int compare_indices(const void *a, const void *b) {
    const name *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static weld_status add_name(reading *r, weld_array *names, int64_t index, const yaml_node_t *node) {
    const name one = {index, node};
    const char *text = text_of(node);
    if (!text || !*text) {
        return fail_at(r, node, "the name of a class is expected here");
    }
    if (index < 0 || names->count >= CLASSES_MAX) {
        return fail_at(r, node, "classes are numbered from 0");
    }
    return weld_array_append(names, &one, 1) ? WELD_OK : weld_fail_memory(r->err, r->path);
}

/* Each class has one name, from 0 on without a gap. */
static weld_status take_names(reading *r, weld_array *names) {
    const name *all = names->data;
    char what[100];
    qsort(names->data, names->count, sizeof *all, compare_indices);
    for (size_t i = 0; i < names->count; i++) {
        uint64_t at;
        if (all[i].index != (int64_t)i) {
            snprintf(what, sizeof what, "class %zu has %s name: classes are numbered from 0",
                     all[i].index < (int64_t)i ? i - 1 : i,
                     all[i].index < (int64_t)i ? "a second" : "no");
            return fail_at(r, all[i].node, what);
        }
        if (!keep(r, text_of(all[i].node), &at) || !weld_array_append(&r->out->names, &at, 1)) {
            return weld_fail_memory(r->err, r->path);
        }
    }
    return WELD_OK;
}

/* A list, or a map of numbers to names. */
static weld_status read_names(reading *r, const yaml_node_t *node) {
    weld_array names = {.element = sizeof(name)};
    weld_status status = WELD_OK;
    if (node->type == YAML_SEQUENCE_NODE) {
        for (const yaml_node_item_t *item = node->data.sequence.items.start;
             item < node->data.sequence.items.top && !status; item++) {
            status = add_name(r, &names, (int64_t)names.count,
                              yaml_document_get_node(&r->document, *item));
        }
    } else if (node->type == YAML_MAPPING_NODE) {
        for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
             pair < node->data.mapping.pairs.top && !status; pair++) {
            const char *key = text_of(yaml_document_get_node(&r->document, pair->key));
            status = add_name(r, &names, number_of(key),
                              yaml_document_get_node(&r->document, pair->value));
        }
    } else {
        status = fail_at(r, node, "names: a list of names, or numbers with names, is expected");
    }
    if (!status && !names.count) {
        status = fail_at(r, node, "names: there are none");
    }
    status = status ? status : take_names(r, &names);
    weld_array_free(&names);
    return status;
}

/* --- The file --- */

static weld_status read_key(reading *r, const char *key, const yaml_node_t *node) {
    static const struct {
        const char *key;
        weld_part_name part;
    } parts[] = {{"train", WELD_NAMED_TRAIN},
                 {"val", WELD_NAMED_VAL},
                 {"valid", WELD_NAMED_VAL},
                 {"test", WELD_NAMED_TEST}};
    weld_data_yaml *out = r->out;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        weld_array *part = &out->parts[parts[i].part];
        if (strcmp(key, parts[i].key) == 0) {
            return part->count ? WELD_OK : read_part(r, part, node);
        }
    }
    if (strcmp(key, "names") == 0) {
        return out->names.count ? fail_at(r, node, "names a second time") : read_names(r, node);
    }
    if (strcmp(key, "nc") == 0) {
        r->class_count = number_of(text_of(node));
        return r->class_count >= 0 ? WELD_OK : fail_at(r, node, "nc: a number is expected");
    }
    if (strcmp(key, "path") == 0 && !is_null(node)) {
        out->has_path = text_of(node);
        return !out->has_path                       ? fail_at(r, node, "path: a folder is expected")
               : keep(r, text_of(node), &out->path) ? WELD_OK
                                                    : weld_fail_memory(r->err, r->path);
    }
    return WELD_OK;
}

static weld_status read_document(reading *r) {
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (!root || root->type != YAML_MAPPING_NODE) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s:1: keys with values are expected", r->path);
    }
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const char *key = text_of(yaml_document_get_node(&r->document, pair->key));
        if (key) {
            WELD_TRY(read_key(r, key, yaml_document_get_node(&r->document, pair->value)));
        }
    }
    if (!r->out->names.count) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: has no names: a list of the classes' names is expected", r->path);
    }
    return r->class_count < 0 || r->class_count == (int64_t)r->out->names.count
               ? WELD_OK
               : weld_fail(r->err, WELD_ERROR_FORMAT, "%s: nc is %lld, but there are %zu names",
                           r->path, (long long)r->class_count, r->out->names.count);
}

static weld_status parse(reading *r, const void *text, size_t size) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return weld_fail_memory(r->err, r->path);
    }
    yaml_parser_set_input_string(&parser, text, size);
    weld_status status;
    if (!yaml_parser_load(&parser, &r->document)) {
        status = parser.error == YAML_MEMORY_ERROR
                     ? weld_fail_memory(r->err, r->path)
                     : weld_fail(r->err, WELD_ERROR_FORMAT, "%s:%zu: not YAML: %s", r->path,
                                 parser.problem_mark.line + 1,
                                 parser.problem ? parser.problem : "damaged");
    } else {
        status = read_document(r);
        yaml_document_delete(&r->document);
    }
    yaml_parser_delete(&parser);
    return status;
}

weld_status weld_data_yaml_read(const char *path, weld_data_yaml *out, weld_error *err) {
    reading r = {.path = path, .out = out, .class_count = -1, .err = err};
    void *text;
    size_t size;
    *out = (weld_data_yaml){.texts.element = 1, .names.element = sizeof(uint64_t)};
    for (int i = 0; i < WELD_PARTS; i++) {
        out->parts[i].element = sizeof(uint64_t);
    }
    WELD_TRY(weld_file_read(path, LARGEST, &text, &size, err));
    const weld_status status = parse(&r, text, size);
    weld_free(text);
    return status;
}
