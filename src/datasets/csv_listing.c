/* Lists of labelled images as CSV; see csv_listing.h. */
#define _GNU_SOURCE
#include "datasets/csv_listing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/csv.h"
#include "formats/file.h"

/* By which columns of paths and of classes are told, the likeliest first. */
static const char *const path_names[] = {"path",  "file",       "filename", "file_name",
                                         "image", "image_path", NULL};
static const char *const class_names[] = {"class", "class_name", "label", "category", NULL};

typedef struct row {
    uint64_t name, class_name; /* where they begin in the listing's names and in `texts` */
    int64_t line;
} row;

typedef struct reading {
    const char *path;
    const weld_listing_options *options;
    weld_listing *listing;
    char *root;
    weld_csv *csv;
    weld_array fields; /* of const char * */
    weld_array rows, texts;
    size_t path_column, class_column;
    weld_error *err;
} reading;

/* --- Columns --- */

/* The column of the first of `names` that there is; `count`: there is none. */
static size_t find_column(const char *const *fields, size_t count, const char *const *names) {
    for (; *names; names++) {
        for (size_t i = 0; i < count; i++) {
            if (weld_strcasecmp(fields[i], *names) == 0) {
                return i;
            }
        }
    }
    return count;
}

static void add_quoted(weld_text *t, const char *name) {
    weld_text_add(t, "'");
    weld_text_add_printable(t, name);
    weld_text_add(t, "'");
}

/* What was taken, and what is passed over: by name where columns have names. */
static weld_status note_columns(const reading *r, bool named, char *note, size_t size) {
    const char *const *fields = r->fields.data;
    const char *before = "; passed over: ";
    weld_text text = WELD_TEXT;
    if (named) {
        weld_text_add(&text, "paths are in column ");
        add_quoted(&text, fields[r->path_column]);
        weld_text_add(&text, ", classes in ");
        add_quoted(&text, fields[r->class_column]);
    } else {
        weld_text_add(&text,
                      "columns have no names: paths are in the first, classes in the second");
    }
    for (size_t i = 0; i < r->fields.count; i++) {
        if (i != r->path_column && i != r->class_column) {
            weld_text_add(&text, before);
            before = ", ";
            if (named) {
                add_quoted(&text, fields[i]);
            } else {
                weld_text_format(&text, "column %zu", i + 1);
            }
        }
    }
    snprintf(note, size, "%s", weld_text_get(&text));
    const bool failed = text.failed;
    weld_text_free(&text);
    return failed ? weld_fail_memory(r->err, r->path) : WELD_OK;
}

/* By the first record; *named: it is no image. */
static weld_status choose_columns(reading *r, bool *named) {
    const char *const *fields = r->fields.data;
    const size_t count = r->fields.count;
    r->path_column = find_column(fields, count, path_names);
    r->class_column = find_column(fields, count, class_names);
    *named = r->path_column < count && r->class_column < count;
    if (*named) {
        return WELD_OK;
    }
    if (count == 1) {
        const char *other = strpbrk(fields[0], ";\t");
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s:%lld: has one field, '%.80s': a path and a class with a comma between "
                         "them are expected%s",
                         r->path, (long long)weld_csv_line(r->csv), fields[0],
                         !other          ? ""
                         : *other == ';' ? ", not a semicolon"
                                         : ", not a tab");
    }
    if (r->path_column < count || r->class_column < count) {
        const bool has_path = r->path_column < count;
        return weld_fail(
            r->err, WELD_ERROR_FORMAT, "%s:%lld: names a column '%.80s', but none of %s", r->path,
            (long long)weld_csv_line(r->csv), fields[has_path ? r->path_column : r->class_column],
            has_path ? "classes: class, label or category is expected"
                     : "paths: path, file, filename or image is expected");
    }
    r->path_column = 0;
    r->class_column = 1;
    return WELD_OK;
}

/* --- Rows --- */

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static weld_status check_class(const reading *r, const char *name) {
    const size_t length = strlen(name);
    if (length == 0) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s:%lld: the class is empty: name it", r->path,
                         (long long)weld_csv_line(r->csv));
    }
    return !is_blank(name[0]) && !is_blank(name[length - 1])
               ? WELD_OK
               : weld_fail(r->err, WELD_ERROR_FORMAT,
                           "%s:%lld: the class '%.80s' begins or ends with a space, which would be "
                           "part of its name: take it out",
                           r->path, (long long)weld_csv_line(r->csv), name);
}

static weld_status add_row(reading *r) {
    const char *const *fields = r->fields.data;
    const size_t needed = (r->path_column > r->class_column ? r->path_column : r->class_column) + 1;
    if (r->fields.count < needed) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s:%lld: has %zu field%s: path and class are in columns %zu and %zu",
                         r->path, (long long)weld_csv_line(r->csv), r->fields.count,
                         r->fields.count == 1 ? "" : "s", r->path_column + 1, r->class_column + 1);
    }
    const char *name = fields[r->path_column], *class_name = fields[r->class_column];
    while (strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    if (!*name) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s:%lld: the path is empty", r->path,
                         (long long)weld_csv_line(r->csv));
    }
    WELD_TRY(check_class(r, class_name));
    const row one = {r->listing->names.count, r->texts.count, weld_csv_line(r->csv)};
    return weld_array_append_text(&r->listing->names, name) &&
                   weld_array_append_text(&r->texts, class_name) &&
                   weld_array_append(&r->rows, &one, 1)
               ? WELD_OK
               : weld_fail_memory(r->err, r->path);
}

static weld_status read_rows(reading *r, char *note, size_t note_size) {
    bool named;
    WELD_TRY(weld_csv_next(r->csv, &r->fields, r->err));
    if (r->fields.count == 0) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: is empty: it names no image", r->path);
    }
    WELD_TRY(choose_columns(r, &named));
    WELD_TRY(note_columns(r, named, note, note_size));
    WELD_TRY(named ? WELD_OK : add_row(r));
    for (;;) {
        WELD_TRY(weld_csv_next(r->csv, &r->fields, r->err));
        if (r->fields.count == 0) {
            break;
        }
        WELD_TRY(add_row(r));
    }
    return r->rows.count
               ? WELD_OK
               : weld_fail(r->err, WELD_ERROR_FORMAT, "%s: names columns and no image", r->path);
}

/* --- What they come to --- */

static const char *name_of(const reading *r, const row *one) {
    return (const char *)r->listing->names.data + one->name;
}

static const char *class_of(const reading *r, const row *one) {
    return (const char *)r->texts.data + one->class_name;
}

static int by_name(const void *a, const void *b, void *context) {
    const row *x = a, *y = b;
    const int order = strcmp(name_of(context, x), name_of(context, y));
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static uint32_t folder_size(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? (uint32_t)(slash - name) : 0;
}

/* As the samples of folders are sorted. */
static int by_class(const void *a, const void *b, void *context) {
    const int order = strcmp(class_of(context, a), class_of(context, b));
    const char *x = name_of(context, a), *y = name_of(context, b);
    return order ? order : weld_listing_compare(x, folder_size(x), y, folder_size(y));
}

/* Each path once. */
static weld_status join_equal(reading *r) {
    row *rows = r->rows.data;
    size_t kept = 0;
    qsort_r(rows, r->rows.count, sizeof *rows, by_name, r);
    for (size_t i = 0; i < r->rows.count; i++) {
        const row *before = kept ? &rows[kept - 1] : NULL;
        const char *name = name_of(r, &rows[i]);
        if (!before || strcmp(name, name_of(r, before)) != 0) {
            rows[kept++] = rows[i];
        } else if (strcmp(class_of(r, &rows[i]), class_of(r, before)) != 0) {
            return weld_fail(r->err, WELD_ERROR_FORMAT,
                             "%s:%lld: '%.200s' is of class '%.80s' here, but of '%.80s' in line "
                             "%lld: an image has one class",
                             r->path, (long long)rows[i].line, name, class_of(r, &rows[i]),
                             class_of(r, before), (long long)before->line);
        } else if (!weld_listing_skip(r->listing, r->options, name, "listed again")) {
            return weld_fail_memory(r->err, r->path);
        }
    }
    r->rows.count = kept;
    return WELD_OK;
}

static bool is_there(const reading *r, const char *name) {
    char path[2 * PATH_MAX];
    struct stat info;
    const int length = *name == '/' ? snprintf(path, sizeof path, "%s", name)
                                    : snprintf(path, sizeof path, "%s/%s", r->root, name);
    return length < (int)sizeof path && weld_file_look(path, &info) == 0 && S_ISREG(info.st_mode);
}

static weld_status check_files(const reading *r) {
    const row *rows = r->rows.data, *first = NULL;
    size_t missing = 0;
    for (size_t i = 0; i < r->rows.count; i++) {
        if (!is_there(r, name_of(r, &rows[i]))) {
            first = !first || rows[i].line < first->line ? &rows[i] : first;
            missing++;
        }
    }
    if (!first) {
        return WELD_OK;
    }
    const char *name = name_of(r, first);
    char others[80] = "";
    if (missing > 1) {
        snprintf(others, sizeof others, ", and of %zu more of %zu", missing - 1, r->rows.count);
    }
    return weld_fail(r->err, WELD_ERROR_NOT_FOUND, "%s:%lld: no file '%.200s' in %.200s%s%s",
                     r->path, (long long)first->line, name, r->root, others,
                     strchr(name, '\\') ? ": folders are separated by /"
                     : first->line == 1 ? ": where this line names the columns, call them path and "
                                          "class"
                                        : "");
}

static weld_status fill(reading *r) {
    row *rows = r->rows.data;
    weld_listing *l = r->listing;
    qsort_r(rows, r->rows.count, sizeof *rows, by_class, r);
    for (size_t i = 0; i < r->rows.count; i++) {
        const char *class_name = class_of(r, &rows[i]), *name = name_of(r, &rows[i]);
        if (i == 0 || strcmp(class_name, class_of(r, &rows[i - 1])) != 0) {
            if (!weld_listing_add_class(l, class_name)) {
                return weld_fail_memory(r->err, r->path);
            }
        }
        const weld_listing_sample sample = {.name = rows[i].name,
                                            .folder_size = folder_size(name),
                                            .label = weld_listing_class_count(l) - 1};
        if (!weld_array_append(&l->samples, &sample, 1)) {
            return weld_fail_memory(r->err, r->path);
        }
    }
    return WELD_OK;
}

static weld_status find_root(reading *r) {
    const char *slash = strrchr(r->path, '/');
    r->root = weld_strdup(slash ? r->path : ".");
    if (!r->root) {
        return weld_fail_memory(r->err, r->path);
    }
    if (slash) {
        r->root[slash == r->path ? 1 : slash - r->path] = 0;
    }
    return WELD_OK;
}

weld_status weld_csv_list(const char *path, const weld_listing_options *options, weld_listing *out,
                          char **root, char *note, size_t note_size, weld_error *err) {
    reading r = {.path = path,
                 .options = options,
                 .listing = out,
                 .fields.element = sizeof(char *),
                 .rows.element = sizeof(row),
                 .texts.element = 1,
                 .err = err};
    *out = weld_listing_make();
    *note = 0;
    weld_status status = find_root(&r);
    status = status ? status : weld_csv_open(path, &r.csv, err);
    status = status ? status : read_rows(&r, note, note_size);
    weld_csv_close(r.csv);
    weld_array_free(&r.fields);
    status = status ? status : join_equal(&r);
    status = status ? status : check_files(&r);
    status = status ? status : fill(&r);
    weld_array_free(&r.rows);
    weld_array_free(&r.texts);
    *root = r.root;
    return status;
}

/* --- Which files are such lists --- */

/* Does the first line name columns? Names are short words, without quotes as a rule. */
static bool names_columns(const char *text, size_t size) {
    enum { MOST = 64 };
    char line[512], *rest = line;
    const char *fields[MOST];
    size_t count = 0;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    size = size < sizeof line - 1 ? size : sizeof line - 1;
    memcpy(line, text, size);
    line[size] = 0;
    line[strcspn(line, "\r\n")] = 0;
    while (rest && count < MOST) {
        fields[count++] = strsep(&rest, ",");
    }
    return find_column(fields, count, path_names) < count &&
           find_column(fields, count, class_names) < count;
}

bool weld_is_csv_listing(const char *path, const void *bytes, size_t size) {
    const size_t length = strlen(path);
    return (length >= 4 && weld_strcasecmp(path + length - 4, ".csv") == 0) ||
           names_columns(bytes, size);
}
