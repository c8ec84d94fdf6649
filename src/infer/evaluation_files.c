/* Evaluations as JSON and CSV; see evaluation_files.h. The text is made by hand: the confusion
 * matrix of twenty thousand classes would take hundreds of megabytes as a tree of JSON values. */
#include "infer/evaluation_files.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "formats/json.h"

/* Text that grows; once memory is short nothing more is added. */
typedef struct text {
    weld_array bytes;
    bool failed;
} text;

static void add(text *t, const char *piece) {
    t->failed = t->failed || !weld_array_append(&t->bytes, piece, strlen(piece));
}

__attribute__((format(printf, 2, 3))) static void add_format(text *t, const char *format, ...) {
    char piece[128];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    add(t, piece);
}

static weld_status write_text(text *t, const char *path, weld_error *err) {
    weld_status status = t->failed ? weld_fail_memory(err, path)
                                   : weld_file_write(path, t->bytes.data, t->bytes.count, err);
    weld_array_free(&t->bytes);
    return status;
}

/* --- JSON --- */

/* The shortest text that reads back to the same number. */
static void add_number(text *t, double value) {
    char piece[40] = "null";
    for (int digits = 1; digits <= 17 && isfinite(value); digits++) {
        snprintf(piece, sizeof piece, "%.*g", digits, value);
        if (strtod(piece, NULL) == value) {
            break;
        }
    }
    add(t, piece);
}

static void add_member(text *t, const char *key, double value) {
    add_format(t, "\"%s\":", key);
    add_number(t, value);
}

static void add_name(text *t, const char *name) {
    json_t *value = json_string(name);
    if (!value) {
        char *copy = weld_strdup(name);
        for (char *at = copy; at && *at; at++) {
            *at = (unsigned char)*at > 126 ? '?' : *at;
        }
        value = copy ? json_string(copy) : NULL;
        weld_free(copy);
    }
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (quoted) {
        add(t, quoted);
    }
    t->failed = t->failed || !quoted;
    free(quoted);
    json_decref(value);
}

static const char *comma(int64_t i) {
    return i ? ",\n " : "\n ";
}

static void add_calibration(text *t, const weld_evaluation_details *d) {
    add(t, "\"calibration\":[");
    for (int i = 0; i < WELD_CALIBRATION_BINS; i++) {
        const weld_calibration_bin *bin = &d->bins[i];
        add_format(t, "%s{", comma(i));
        add_member(t, "low", (double)i / WELD_CALIBRATION_BINS);
        add(t, ",");
        add_member(t, "high", (i + 1.0) / WELD_CALIBRATION_BINS);
        add_format(t, ",\"images\":%lld,", (long long)bin->images);
        add_member(t, "confidence", weld_evaluation_confidence(bin));
        add(t, ",");
        add_member(t, "accuracy", weld_evaluation_accuracy(bin));
        add(t, "}");
    }
    add(t, "]");
}

static void add_classes(text *t, const weld_evaluation_details *d, const weld_dataset *ds) {
    add(t, "\"classes\":[");
    for (int c = 0; c < d->classes; c++) {
        add_format(t, "%s{\"name\":", comma(c));
        add_name(t, weld_dataset_class_name(ds, c));
        add_format(t, ",\"images\":%lld,", (long long)d->labelled[c]);
        add_member(t, "recall", weld_evaluation_recall(d, c));
        add(t, ",");
        add_member(t, "precision", weld_evaluation_precision(d, c));
        add(t, "}");
    }
    add(t, "]");
}

static void add_confusion(text *t, const weld_evaluation_details *d) {
    const weld_confusion_cell *cells = d->cells.data;
    add(t, "\"confusion\":[");
    for (size_t i = 0; i < d->cells.count; i++) {
        add_format(t, "%s[%d,%d,%lld]", i ? "," : "", cells[i].label, cells[i].predicted,
                   (long long)cells[i].images);
    }
    add(t, "]");
}

static void add_worst(text *t, const weld_evaluation_details *d, const weld_dataset *ds) {
    add(t, "\"worst\":[");
    for (int i = 0; i < d->worst_count; i++) {
        const weld_image_score *score = &d->worst[i].score;
        add_format(t, "%s{\"image\":", comma(i));
        add_name(t, weld_dataset_name(ds, d->worst[i].index));
        add_format(t, ",\"label\":%d,\"predicted\":%d,", score->label, score->predicted);
        add_member(t, "probability", score->probability);
        add(t, ",");
        add_member(t, "label_probability", score->label_probability);
        add(t, ",");
        add_member(t, "loss", score->loss);
        add(t, "}");
    }
    add(t, "]");
}

weld_status weld_evaluation_write_json(const char *path, const weld_evaluation *e,
                                       const weld_evaluation_details *d, const weld_dataset *ds,
                                       weld_error *err) {
    text t = {.bytes = {.element = 1}};
    add(&t, "{\"data\":");
    add_name(&t, weld_dataset_path(ds));
    add_format(&t, ",\n\"images\":%lld,\n\"skipped\":%lld,\n", (long long)e->images,
               (long long)e->skipped);
    const struct {
        const char *key;
        double value;
    } members[] = {{"top1", e->top1},
                   {"top5", e->top5},
                   {"loss", e->loss},
                   {"calibration_error", e->calibration_error}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        add_member(&t, members[i].key, members[i].value);
        add(&t, ",\n");
    }
    add_calibration(&t, d);
    add(&t, ",\n");
    add_classes(&t, d, ds);
    add(&t, ",\n");
    add_confusion(&t, d);
    add(&t, ",\n");
    add_worst(&t, d, ds);
    add(&t, "}\n");
    return write_text(&t, path, err);
}

/* --- CSV --- */

static void add_field(text *t, const char *name) {
    if (!strpbrk(name, ",\"\r\n")) {
        add(t, name);
        return;
    }
    add(t, "\"");
    for (const char *at = name; *at;) {
        size_t plain = strcspn(at, "\"");
        t->failed = t->failed || !weld_array_append(&t->bytes, at, plain);
        at += plain;
        if (*at) {
            add(t, "\"\"");
            at++;
        }
    }
    add(t, "\"");
}

/* Row `label`; *at moves over its cells. */
static void add_row(text *t, const weld_evaluation_details *d, int label, size_t *at) {
    const weld_confusion_cell *cells = d->cells.data;
    for (int c = 0; c < d->classes; c++) {
        bool here = *at < d->cells.count && cells[*at].label == label && cells[*at].predicted == c;
        add_format(t, ",%lld", here ? (long long)cells[*at].images : 0);
        *at += here;
    }
    add(t, "\r\n");
}

weld_status weld_evaluation_write_csv(const char *path, const weld_evaluation_details *d,
                                      const weld_dataset *ds, weld_error *err) {
    weld_replacement *file;
    weld_status status = weld_replacement_open(path, &file, err);
    text t = {.bytes = {.element = 1}};
    if (status) {
        return status;
    }
    add(&t, "class");
    for (int c = 0; c < d->classes; c++) {
        add(&t, ",");
        add_field(&t, weld_dataset_class_name(ds, c));
    }
    add(&t, "\r\n");
    size_t at = 0;
    for (int c = 0; c < d->classes && !status && !t.failed; c++) {
        add_field(&t, weld_dataset_class_name(ds, c));
        add_row(&t, d, c, &at);
        if (!t.failed) { /* row by row, for the square of many classes is large */
            status = weld_replacement_write(file, t.bytes.data, t.bytes.count, err);
        }
        t.bytes.count = 0;
    }
    weld_array_free(&t.bytes);
    if (!status && t.failed) {
        status = weld_fail_memory(err, path);
    }
    if (status) {
        weld_replacement_discard(file);
        return status;
    }
    return weld_replacement_commit(file, err);
}
