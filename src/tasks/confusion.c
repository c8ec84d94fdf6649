/* What is taken for what; see confusion.h. */
#include "tasks/confusion.h"

#include <stdlib.h>

#include "base/error.h"
#include "formats/file.h"

/* Cells are appended, and equal ones put together when so many have come that are not sorted yet,
 * or as many as there are sorted ones. */
enum { UNSORTED_CELLS = 4096 };

static int by_classes(const void *a, const void *b) {
    const weld_confusion_cell *x = a, *y = b;
    const int order = (x->truth > y->truth) - (x->truth < y->truth);
    return order ? order : (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

void weld_confusion_finish(weld_confusion *c) {
    weld_confusion_cell *cells = c->cells.data;
    size_t kept = 0;
    if (c->cells.count == c->sorted) {
        return;
    }
    qsort(cells, c->cells.count, sizeof *cells, by_classes);
    for (size_t i = 1; i < c->cells.count; i++) {
        if (by_classes(&cells[kept], &cells[i]) == 0) {
            cells[kept].count += cells[i].count;
        } else {
            cells[++kept] = cells[i];
        }
    }
    c->cells.count = c->sorted = kept + 1;
}

weld_status weld_confusion_count(weld_confusion *c, int32_t truth, int32_t predicted,
                                 weld_error *err) {
    const weld_confusion_cell cell = {truth, predicted, 1};
    if (c->cells.count >= 2 * c->sorted + UNSORTED_CELLS) {
        weld_confusion_finish(c);
    }
    return weld_array_append(&c->cells, &cell, 1) ? WELD_OK : weld_fail_memory(err, "evaluation");
}

void weld_confusion_clear(weld_confusion *c) {
    c->cells.count = c->sorted = 0;
}

void weld_confusion_free(weld_confusion *c) {
    weld_array_free(&c->cells);
    c->sorted = 0;
}

/* Row `truth`; *at moves over its cells. */
static void add_row(weld_text *t, const weld_confusion *c, int truth, int columns, size_t *at) {
    const weld_confusion_cell *cells = c->cells.data;
    for (int k = 0; k < columns; k++) {
        const bool here =
            *at < c->cells.count && cells[*at].truth == truth && cells[*at].predicted == k;
        weld_text_format(t, ",%lld", here ? (long long)cells[*at].count : 0);
        *at += here;
    }
    weld_text_add(t, "\r\n");
}

weld_status weld_confusion_write(const char *path, const weld_confusion *c, const weld_dataset *ds,
                                 const weld_confusion_names *names, weld_error *err) {
    const int classes = weld_dataset_class_count(ds), all = classes + (names->truth != NULL);
    weld_replacement *file;
    weld_text t = WELD_TEXT;
    WELD_TRY(weld_replacement_open(path, &file, err));
    weld_text_add(&t, names->corner);
    for (int k = 0; k < all; k++) {
        weld_text_add(&t, ",");
        weld_text_add_field(&t, k < classes ? weld_dataset_class_name(ds, k) : names->predicted);
    }
    weld_text_add(&t, "\r\n");
    size_t at = 0;
    weld_status status = WELD_OK;
    for (int k = 0; k < all && !status; k++) {
        weld_text_add_field(&t, k < classes ? weld_dataset_class_name(ds, k) : names->truth);
        add_row(&t, c, k, all, &at);
        /* Row by row, for the square of many classes is large. */
        status = t.failed ? weld_fail_memory(err, path)
                          : weld_replacement_write(file, t.bytes.data, t.bytes.count, err);
        t.bytes.count = 0;
    }
    weld_text_free(&t);
    if (status) {
        weld_replacement_discard(file);
        return status;
    }
    return weld_replacement_commit(file, err);
}

void weld_confusion_json(const weld_confusion *c, weld_text *out) {
    const weld_confusion_cell *cells = c->cells.data;
    weld_text_add(out, "[");
    for (size_t i = 0; i < c->cells.count; i++) {
        weld_text_format(out, "%s[%d,%d,%lld]", i ? "," : "", cells[i].truth, cells[i].predicted,
                         (long long)cells[i].count);
    }
    weld_text_add(out, "]");
}
