/* Opening model files of any kind; see model_options.h. */
#include "cli/model_options.h"

#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

enum { MAX_NAMES_FILE = 64 << 20 };

/* End each line of `text` with a zero and add where it begins to `names`, const char *. */
static weld_status split_lines(const char *path, char *text, size_t size, weld_array *names,
                               weld_error *err) {
    if (memchr(text, '\0', size)) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: is no text", path);
    }
    for (char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        char *next = line + length + (line[length] == '\n');
        line[length] = '\0';
        if (length && line[length - 1] == '\r') {
            line[--length] = '\0';
        }
        if (length == 0) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s:%zu: the line is empty: name a class",
                             path, names->count + 1);
        }
        if (!weld_array_append(names, &line, 1)) {
            return weld_fail_memory(err, path);
        }
        line = next;
    }
    return WELD_OK;
}

static weld_status open_with_names(const char *path, const cli_model_options *o,
                                   weld_import_options known, weld_model **out, weld_error *err) {
    weld_array names = {.element = sizeof(char *)};
    void *text;
    size_t size;
    WELD_TRY(weld_file_read(o->classes, MAX_NAMES_FILE, &text, &size, err));
    weld_status status = split_lines(o->classes, text, size, &names, err);
    if (!status && names.count == 0) {
        status = weld_fail(err, WELD_ERROR_FORMAT, "%s: names no class", o->classes);
    }
    if (!status && known.num_classes && (size_t)known.num_classes != names.count) {
        status = weld_fail(err, WELD_ERROR_ARGUMENT, "%s: names %zu classes, not %d", o->classes,
                           names.count, known.num_classes);
    }
    if (!status) {
        known.num_classes = (int)names.count;
        known.class_names = names.data;
        status = weld_model_import(path, &known, out, err);
    }
    weld_array_free(&names);
    weld_free(text);
    return status;
}

weld_status cli_open_model(const char *path, const cli_model_options *options, weld_model **out,
                           weld_error *err) {
    weld_import_options known = options->known;
    known.set = options->keys.set;
    known.set_count = options->keys.count;
    known.class_order = (weld_class_order)options->class_order;
    weld_status status = options->classes ? open_with_names(path, options, known, out, err)
                                          : weld_model_import(path, &known, out, err);
    if (!status) {
        status = weld_model_set_precision(*out, options->precision, err);
        if (status) {
            weld_model_free(*out);
            *out = NULL;
        }
    }
    return status;
}
