/* Facts about a file, for people or as JSON; see inspect.h. */
#define _GNU_SOURCE /* vasprintf */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/inspect.h"
#include "formats/json_text.h"
#include "formats/json.h"
#include "formats/json_tree.h"
#include "formats/safetensors_checksum.h"

enum { KEY_SIZE = 64, CLASS_COLUMNS = 28 };

static void print_bytes(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const unsigned char byte = (unsigned char)text[i];
        putchar(byte < ' ' || byte == 127 ? '?' : byte);
    }
}

void inspect_print(const char *text) {
    print_bytes(text, strlen(text));
}

void inspect_print_class(const char *name, int64_t count) {
    const int pad = CLASS_COLUMNS - weld_columns(name);
    fputs("    ", stdout);
    inspect_print(name);
    printf("%*s %lld\n", pad > 0 ? pad : 0, "", (long long)count);
}

static void print_format(const char *format, va_list args) {
    char *text;
    if (vasprintf(&text, format, args) >= 0) {
        inspect_print(text);
        weld_free(text);
    } else {
        cli_output_is_lost(ENOMEM);
    }
    putchar('\n');
}

void inspect_title(inspection *in, const char *kind, const char *format, ...) {
    if (in->json) {
        json_object_set_new(in->json, "file", weld_json_name(in->path));
        json_object_set_new(in->json, "kind", json_string(kind));
        return;
    }
    va_list args;
    va_start(args, format);
    inspect_print(in->path);
    fputs(": ", stdout);
    print_format(format, args);
    va_end(args);
}

void inspect_foreign_title(inspection *in, weld_file_kind kind, bool unchecked) {
    bool pth = kind == WELD_FILE_PTH;
    inspect_title(in, pth ? "pth" : "safetensors", "%s",
                  pth ? "a PyTorch .pth file" : weld_file_kind_text(kind));
    if (kind == WELD_FILE_SAFETENSORS || unchecked) { /* the latter of an index too */
        inspect_checksum(in, !unchecked);
    }
}

void inspect_checksum(inspection *in, bool checked) {
    inspect_fact(in, "checksum", json_boolean(checked), "%s",
                 checked ? "right" : WELD_CHECKSUM_MISSING);
}

void inspect_checked(inspection *in, bool by_checksum, const char *read, ...) {
    char text[160];
    va_list args;
    va_start(args, read);
    vsnprintf(text, sizeof text, read, args);
    va_end(args);
    inspect_fact(
        in, "checked", json_string(by_checksum ? "checksum" : "reading"), "%s%s",
        by_checksum ? "good: all of it is as it was written" : text,
        by_checksum ? "" : "; no checksum of weld's tells whether all of it is as it was written");
}

void inspect_fact(inspection *in, const char *title, json_t *value, const char *format, ...) {
    if (in->json) {
        char key[KEY_SIZE];
        snprintf(key, sizeof key, "%s", title);
        for (char *space; (space = strchr(key, ' '));) {
            *space = '_';
        }
        json_object_set_new(in->json, key, value ? value : json_null());
        return;
    }
    json_decref(value);
    if (format) {
        va_list args;
        va_start(args, format);
        printf("%-16s ", title);
        print_format(format, args);
        va_end(args);
    }
}

json_t *inspect_shape(const weld_shape *shape) {
    json_t *dims = json_array();
    for (int i = 0; i < shape->rank; i++) {
        json_array_append_new(dims, json_integer(shape->dim[i]));
    }
    return dims;
}

/* In a column of at least that width, after a blank. */
static void print_cell(json_t *value, int width) {
    char number[32];
    snprintf(number, sizeof number, "%.4g", json_real_value(value));
    const char *text = json_is_string(value)  ? json_string_value(value)
                       : json_is_real(value)  ? number
                       : json_is_true(value)  ? "yes"
                       : json_is_false(value) ? "no"
                                              : "-";
    putchar(' ');
    inspect_print(text);
    printf("%*s", (int)strlen(text) < width ? width - (int)strlen(text) : 0, "");
}

/* A list of objects with the same members: a row each. */
static void print_table(const char *title, json_t *rows) {
    enum { FIRST = 36, OTHERS = 11, INDENT = 7 };
    const char *key;
    json_t *value;
    size_t i;
    json_t *row;
    printf("    ");
    inspect_print(title);
    printf("\n%*s", INDENT, "");
    int width = FIRST;
    json_object_foreach(json_array_get(rows, 0), key, value) {
        json_t *name = json_string(key);
        print_cell(name, width);
        json_decref(name);
        width = OTHERS;
    }
    putchar('\n');
    json_array_foreach(rows, i, row) {
        printf("%*s", INDENT, "");
        width = FIRST;
        json_object_foreach(row, key, value) {
            print_cell(value, width);
            width = OTHERS;
        }
        putchar('\n');
    }
}

static void print_member(const char *key, json_t *value) {
    if (json_is_object(json_array_get(value, 0))) {
        print_table(key, value);
        return;
    }
    char *dumped = json_is_string(value)
                       ? NULL
                       : weld_json_dump(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    const char *text = json_is_string(value) ? json_string_value(value) : dumped;
    if (!text) {
        cli_output_is_lost(ENOMEM);
        return;
    }
    fputs("    ", stdout);
    inspect_print(key);
    printf("%*s", (int)(strlen(key) < 24 ? 24 - strlen(key) : 1), "");
    inspect_print(text);
    putchar('\n');
    weld_free(dumped);
}

static void print_lines(const char *text) {
    while (*text) {
        const size_t length = strcspn(text, "\n");
        fputs("    ", stdout);
        print_bytes(text, length);
        putchar('\n');
        text += length + (text[length] == '\n');
    }
}

json_t *inspect_read_json(const char *text) {
    weld_json_fault fault = {WELD_OK};
    json_t *value = strlen(text) <= WELD_JSON_MAX ? weld_json_tree_of(text, &fault) : NULL;
    if (!value && fault.status == WELD_ERROR_MEMORY) {
        cli_output_is_lost(ENOMEM);
    }
    return value;
}

void inspect_text(inspection *in, const char *title, const char *text) {
    if (!text || !*text) {
        return;
    }
    json_t *object = inspect_read_json(text);
    if (in->json) {
        inspect_fact(in, title, object ? object : weld_json_name(text), NULL);
        return;
    }
    printf("%s%s\n", title, in->of_float ? " (of the float network)" : "");
    if (json_is_object(object)) {
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value) {
            print_member(key, value);
        }
    } else {
        print_lines(text);
    }
    json_decref(object);
}
