/* What a network says of the images of an evaluation, as a file for other programs; see
 * results_file.h. */
#include "infer/results_file.h"

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"

enum { WRITE_AT = 1 << 16 }; /* bytes that are waiting */

struct weld_results_file {
    const char *path;
    const weld_results_format *format;
    const weld_dataset *ds;
    weld_replacement *file;
    weld_text text, entries; /* what is waiting, and what the latest image adds */
    bool begun;
    weld_status status;
    weld_error *err;
};

weld_status weld_results_file_create(const char *path, const weld_task *task,
                                     const weld_dataset *ds, weld_results_file **out,
                                     weld_error *err) {
    *out = NULL;
    if (!task->results) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: networks for %s have no results to write for other programs", path,
                         task->name);
    }
    weld_results_file *f = weld_alloc(1, sizeof *f);
    if (!f) {
        return weld_fail_memory(err, path);
    }
    *f = (weld_results_file){.path = path,
                             .format = task->results,
                             .ds = ds,
                             .text = WELD_TEXT,
                             .entries = WELD_TEXT,
                             .err = err};
    const weld_status status = weld_replacement_open(path, &f->file, err);
    if (status) {
        weld_free(f);
        return status;
    }
    weld_text_add(&f->text, f->format->before);
    *out = f;
    return WELD_OK;
}

static weld_status flush(weld_results_file *f) {
    if (f->text.failed) {
        return weld_fail_memory(f->err, f->path);
    }
    WELD_TRY(weld_replacement_write(f->file, f->text.bytes.data, f->text.bytes.count, f->err));
    f->text.bytes.count = 0;
    return WELD_OK;
}

static weld_status add(weld_results_file *f, const weld_seen *seen) {
    f->entries.bytes.count = 0;
    WELD_TRY(f->format->write(f->ds, seen->outputs, seen->row, seen->batch, &f->entries, f->err));
    const char *entries = weld_text_get(&f->entries);
    if (f->entries.failed) {
        return weld_fail_memory(f->err, f->path);
    }
    if (*entries) {
        weld_text_add(&f->text, f->begun ? f->format->between : "");
        weld_text_add(&f->text, entries);
        f->begun = true;
    }
    return f->text.bytes.count >= WRITE_AT ? flush(f) : WELD_OK;
}

void weld_results_file_seen(void *arg, const weld_seen *seen) {
    weld_results_file *f = arg;
    f->status = f->status ? f->status : add(f, seen);
}

weld_status weld_results_file_finish(weld_results_file *f, weld_status status, weld_error *err) {
    if (!f) {
        return status;
    }
    f->err = err;
    status = status ? status : f->status;
    if (!status) {
        weld_text_add(&f->text, f->format->after);
        status = flush(f);
    }
    if (status) {
        weld_replacement_discard(f->file);
    } else {
        status = weld_replacement_commit(f->file, err);
    }
    weld_text_free(&f->text);
    weld_text_free(&f->entries);
    weld_free(f);
    return status;
}
