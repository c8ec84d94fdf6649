/* A look at a run's batches; see preview.h. */
#include "measure/preview.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/contact_sheet.h"
#include "images/encode_png.h"
#include "formats/file.h"
#include "train/run_data.h"

enum { COLUMNS = 8, CAPTION_SIZE = 256 };

typedef struct preview {
    weld_run_data data;
    int64_t count;
    float *images;                   /* of whole batches; the first `count` samples are drawn */
    float *inputs[WELD_OUTPUTS_MAX]; /* targets of one batch */
    char (*captions)[CAPTION_SIZE];
    const char **lines; /* the captions again, as a sheet takes them */
    weld_image sheet;
    weld_bytes png;
} preview;

static weld_status open(preview *p, const weld_preview_options *o, weld_error *err) {
    weld_run_data *d = &p->data;
    WELD_TRY(weld_run_data_open(d, &o->settings, true, err));
    if (d->recipe.loss.distillation.cache[0]) { /* it holds for certain views */
        WELD_TRY(weld_run_data_open_teacher(d, err));
    }
    WELD_TRY(weld_run_data_open_loader(d, err));
    int64_t batch = weld_loader_train_batch_size(d->loader);
    int64_t samples = batch * weld_loader_train_batches(d->loader, (uint32_t)o->epoch);
    p->count = o->count < samples ? o->count : samples;
    /* A sheet that is too large is refused before all is loaded. */
    weld_sheet_layout layout;
    return weld_sheet_layout_make(d->recipe.data.preprocessing.input_size, p->count, COLUMNS, NULL,
                                  &layout, err);
}

static weld_status load(preview *p, const weld_preview_options *o, int64_t *batches,
                        weld_error *err) {
    const weld_run_data *d = &p->data;
    int64_t batch = weld_loader_train_batch_size(d->loader);
    *batches = (p->count + batch - 1) / batch;
    size_t size = (size_t)d->recipe.data.preprocessing.input_size,
           room = (size_t)(*batches * batch);
    p->images = weld_alloc_raw(room, size * size * 3 * sizeof *p->images);
    p->captions = weld_alloc((size_t)p->count, sizeof *p->captions);
    p->lines = weld_alloc((size_t)p->count, sizeof *p->lines);
    if (!p->images || !p->captions || !p->lines) {
        return weld_fail_memory(err, "preview");
    }
    WELD_TRY(weld_run_data_inputs(d, p->inputs, err));
    for (int64_t b = 0; b < *batches; b++) {
        weld_batch loaded;
        float *images = p->images + (size_t)(b * batch) * size * size * 3;
        WELD_TRY(weld_loader_train_batch(d->loader, (uint32_t)o->epoch, b, images, &loaded, err));
        d->task->targets_fill(d->targets, &loaded, p->inputs);
        for (int64_t i = 0; i < batch && b * batch + i < p->count; i++) {
            char *caption = p->captions[b * batch + i];
            d->task->caption(d->targets, p->inputs, i, WELD_CAPTION_FRACTION, caption,
                             CAPTION_SIZE);
            p->lines[b * batch + i] = caption;
        }
    }
    return WELD_OK;
}

weld_status weld_preview(const weld_preview_options *options, weld_preview_report *out,
                         weld_error *err) {
    preview *p = weld_alloc(1, sizeof *p);
    if (!p) {
        return weld_fail_memory(err, "preview");
    }
    weld_preview_report report = {0};
    weld_status status = open(p, options, err);
    status = status ? status : load(p, options, &report.batches, err);
    status = status ? status
                    : weld_contact_sheet(&p->data.recipe.data.preprocessing, p->images, p->lines,
                                         p->count, COLUMNS, &p->sheet, err);
    status = status ? status : weld_encode_png(&p->sheet, &p->png, err);
    status = status ? status : weld_file_write(options->out, p->png.data, p->png.size, err);
    report.samples = p->count;
    report.caption_help = p->data.task ? p->data.task->caption_help : "";
    report.width = p->sheet.width;
    report.height = p->sheet.height;
    *out = report;
    weld_bytes_free(&p->png);
    weld_image_free(&p->sheet);
    weld_free(p->lines);
    weld_free(p->captions);
    weld_run_data_free_inputs(p->inputs);
    weld_free(p->images);
    weld_run_data_close(&p->data);
    weld_free(p);
    return status;
}
