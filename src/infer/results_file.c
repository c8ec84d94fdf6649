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
    weld_replacement *file;  /* NULL: another rank's */
    weld_text text, entries; /* what is waiting, and what the latest image adds */
    bool begun;
};

weld_status weld_results_file_create(const char *path, const weld_task *task,
                                     const weld_dataset *ds, bool writes, weld_results_file **out,
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
    *f = (weld_results_file){
        .path = path, .format = task->results, .ds = ds, .text = WELD_TEXT, .entries = WELD_TEXT};
    const weld_status status = writes ? weld_replacement_open(path, &f->file, err) : WELD_OK;
    if (status) {
        weld_free(f);
        return status;
    }
    weld_text_add(&f->text, f->format->before);
    *out = f;
    return WELD_OK;
}

static weld_status flush(weld_results_file *f, weld_error *err) {
    if (f->text.failed) {
        return weld_fail_memory(err, f->path);
    }
    WELD_TRY(weld_replacement_write(f->file, f->text.bytes.data, f->text.bytes.count, err));
    f->text.bytes.count = 0;
    return WELD_OK;
}

weld_status weld_results_file_see(void *arg, const weld_seen *seen, weld_array *bytes,
                                  weld_error *err) {
    weld_results_file *f = arg;
    f->entries.bytes.count = 0;
    WELD_TRY(f->format->write(f->ds, seen->outputs, seen->row, seen->batch, &f->entries, err));
    return !f->entries.failed &&
                   weld_array_append(bytes, f->entries.bytes.data, f->entries.bytes.count)
               ? WELD_OK
               : weld_fail_memory(err, f->path);
}

weld_status weld_results_file_seen(void *arg, const weld_image_record *image, weld_error *err) {
    weld_results_file *f = arg;
    if (image->seen_bytes > 0) {
        weld_text_add(&f->text, f->begun ? f->format->between : "");
        weld_text_add_bytes(&f->text, image->seen, image->seen_bytes);
        f->begun = true;
    }
    return f->text.bytes.count >= WRITE_AT ? flush(f, err) : WELD_OK;
}

weld_status weld_results_file_finish(weld_results_file *f, weld_status status, weld_error *err) {
    if (!f) {
        return status;
    }
    if (!status && f->file) {
        weld_text_add(&f->text, f->format->after);
        status = flush(f, err);
    }
    if (status && f->file) {
        weld_replacement_discard(f->file);
    } else if (f->file) {
        status = weld_replacement_commit(f->file, err);
    }
    weld_text_free(&f->text);
    weld_text_free(&f->entries);
    weld_free(f);
    return status;
}
