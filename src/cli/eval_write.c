/* The detections of an evaluation as COCO's results, for other programs; see eval.h. */
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "cli/eval.h"
#include "datasets/boxes.h"
#include "formats/file.h"
#include "tasks/detection/detection.h"
#include "tasks/detection/tally.h"

enum { WRITE_AT = 1 << 16 }; /* bytes that are waiting */

struct cli_results_file {
    const char *path;
    const weld_dataset *ds;
    weld_replacement *file;
    weld_text text;
    weld_array boxes;
    int64_t written;
    weld_status status;
    weld_error *err;
};

weld_status cli_results_create(const char *path, const weld_task *task, const weld_dataset *ds,
                               cli_results_file **out, weld_error *err) {
    *out = NULL;
    if (task != &weld_task_detection) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: only a detector has detections to write; this network is for %s",
                         path, task->name);
    }
    cli_results_file *f = weld_alloc(1, sizeof *f);
    if (!f) {
        return weld_fail_memory(err, path);
    }
    *f = (cli_results_file){.path = path,
                            .ds = ds,
                            .text = WELD_TEXT,
                            .boxes.element = sizeof(weld_found_box),
                            .err = err};
    const weld_status status = weld_replacement_open(path, &f->file, err);
    if (status) {
        weld_free(f);
        return status;
    }
    *out = f;
    return WELD_OK;
}

/* Numbers read back to the same ones, so that nothing that differs becomes equal; whole ones are
 * written as such. */
static void add_number(weld_text *t, const char *before, double value) {
    char piece[WELD_NUMBER_SIZE];
    weld_text_add(t, before);
    weld_text_add(t, weld_number_text(value, false, 15, piece));
}

static void add_box(cli_results_file *f, int64_t image, const weld_found_box *b) {
    const int64_t category = weld_dataset_category_id(f->ds, b->class_index);
    if (category < 0) {
        return; /* a class of the network that the data does not have, and has no id for */
    }
    weld_text_format(&f->text, "%s{\"image_id\":%lld,\"category_id\":%lld",
                     f->written++ ? ",\n" : "[", (long long)image, (long long)category);
    add_number(&f->text, ",\"bbox\":[", b->x);
    add_number(&f->text, ",", b->y);
    add_number(&f->text, ",", b->width);
    add_number(&f->text, ",", b->height);
    add_number(&f->text, "],\"score\":", b->score);
    weld_text_add(&f->text, "}");
}

static weld_status flush(cli_results_file *f) {
    if (f->text.failed) {
        return weld_fail_memory(f->err, f->path);
    }
    WELD_TRY(weld_replacement_write(f->file, f->text.bytes.data, f->text.bytes.count, f->err));
    f->text.bytes.count = 0;
    return WELD_OK;
}

void cli_results_seen(void *arg, const weld_seen *seen) {
    cli_results_file *f = arg;
    if (f->status) {
        return;
    }
    f->boxes.count = 0;
    f->status = weld_detection_find(seen->outputs, seen->row, &seen->batch->placements[seen->row],
                                    &f->boxes, f->err);
    const int64_t image = weld_dataset_image_id(f->ds, seen->index);
    for (size_t k = 0; k < f->boxes.count && !f->status; k++) {
        add_box(f, image, (const weld_found_box *)f->boxes.data + k);
    }
    if (!f->status && f->text.bytes.count >= WRITE_AT) {
        f->status = flush(f);
    }
}

weld_status cli_results_finish(cli_results_file *f, weld_status status, weld_error *err) {
    if (!f) {
        return status;
    }
    f->err = err;
    status = status ? status : f->status;
    if (!status) {
        weld_text_add(&f->text, f->written ? "]\n" : "[]\n");
        status = flush(f);
    }
    if (status) {
        weld_replacement_discard(f->file);
    } else {
        status = weld_replacement_commit(f->file, err);
    }
    weld_text_free(&f->text);
    weld_array_free(&f->boxes);
    weld_free(f);
    return status;
}
