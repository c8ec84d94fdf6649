/* A look at a run's batches; see preview.h. */
#include "measure/preview.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"
#include "images/contact_sheet.h"
#include "images/decode.h"
#include "images/encode_png.h"
#include "formats/file.h"
#include "train/draw_sample.h"
#include "tasks/drawn_names.h"
#include "train/run_data.h"
#include "train/say.h"

enum { COLUMNS = 8, CAPTION_SIZE = 256, QUALITY = 95 /* of a JPEG: captions stay sharp */ };

typedef struct preview {
    weld_run_data data;
    int64_t count, room;             /* samples: those that are there, and at most */
    float *batch;                    /* images of one */
    float *images;                   /* those that are drawn, one after the other... */
    size_t floats;                   /* ...so many so far */
    weld_sheet_size *sizes;          /* of each */
    float *inputs[WELD_OUTPUTS_MAX]; /* targets of one batch */
    char (*captions)[CAPTION_SIZE];
    const char **lines; /* the captions again, as a sheet takes them */
    weld_mix *mixes;    /* of one batch */
    bool shows_mixed;   /* one of the batches that are drawn is mixed */
    weld_image sheet;
    weld_bytes file;
} preview;

static weld_status allocate(preview *p, weld_sheet_size largest, weld_error *err) {
    const size_t room = (size_t)p->room;
    const size_t pixels = (size_t)largest.height * (size_t)largest.width;
    weld_sheet_layout layout;
    /* A sheet that is too large is refused before all is loaded. */
    WELD_TRY(weld_sheet_layout_make(largest, p->room, COLUMNS, NULL, &layout, err));
    p->batch = weld_alloc_raw(weld_loader_train_floats(p->data.loader), sizeof *p->batch);
    p->images = weld_alloc_raw(room, pixels * 3 * sizeof *p->images);
    p->sizes = weld_alloc(room, sizeof *p->sizes);
    p->captions = weld_alloc(room, sizeof *p->captions);
    p->lines = weld_alloc(room, sizeof *p->lines);
    p->mixes = weld_alloc((size_t)weld_loader_train_most(p->data.loader), sizeof *p->mixes);
    return p->batch && p->images && p->sizes && p->captions && p->lines && p->mixes
               ? WELD_OK
               : weld_fail_memory(err, "preview");
}

static weld_status open(preview *p, const weld_preview_options *o, weld_error *err) {
    weld_run_data *d = &p->data;
    WELD_TRY(weld_run_data_open(d, &o->settings, true, err));
    WELD_TRY(weld_dataset_spare(d->train, o->out, err));
    WELD_TRY(d->val ? weld_dataset_spare(d->val, o->out, err) : WELD_OK);
    if (d->recipe.loss.distillation.cache[0]) { /* it holds for certain views */
        WELD_TRY(weld_run_data_open_teacher(d, err));
    }
    WELD_TRY(weld_run_data_open_loader(d, err));
    char letters[512];
    if (*weld_drawn_names_tell((const char *const *)d->class_names, d->recipe.model.num_classes,
                               letters, sizeof letters)) {
        weld_train_say(&o->settings, "%s", letters);
    }
    int shapes;
    const weld_batch_shape *shape = weld_loader_train_shapes(d->loader, &shapes);
    int64_t samples = 0;
    for (int i = 0; i < shapes; i++) {
        samples += shape[i].count;
    }
    samples *= shapes > 1 ? 1 : weld_loader_train_batches(d->loader, (uint32_t)o->epoch);
    p->room = o->count < samples ? o->count : samples;
    const weld_batch_shape *largest = &shape[shapes - 1];
    return allocate(p, (weld_sheet_size){largest->height, largest->width}, err);
}

/* Is one of its samples that there is room for? */
static bool is_mixed(const preview *p, uint32_t epoch, int64_t number) {
    const weld_recipe *r = &p->data.recipe;
    const int64_t count = weld_loader_train_batch_size(p->data.loader);
    bool any = false;
    weld_mix_draw(&r->augment, (uint64_t)r->train.seed, epoch, number, count,
                  r->data.preprocessing.height, r->data.preprocessing.width, p->mixes);
    for (int64_t i = 0; i < count && i < p->room - p->count; i++) {
        any = any || p->mixes[i].lambda < 1;
    }
    return any;
}

/* The batch to be drawn next, which is `next`; but where it is the last that there is room for, and
 * the recipe mixes and none before was mixed, the first from there on that is. */
static int64_t choose_batch(preview *p, uint32_t epoch, int64_t next, int64_t of_epoch) {
    const weld_augmentation *a = &p->data.recipe.augment;
    const bool is_last = p->room - p->count <= weld_loader_train_batch_size(p->data.loader);
    if (!(a->mixup > 0 || a->cutmix > 0)) {
        return next;
    }
    for (int64_t b = next; b < of_epoch && is_last && !p->shows_mixed; b++) {
        if (is_mixed(p, epoch, b)) {
            return b;
        }
    }
    p->shows_mixed = p->shows_mixed || is_mixed(p, epoch, next);
    return next;
}

/* The first `most` samples of a batch of the epoch, as long as there is room. */
static weld_status load_batch(preview *p, uint32_t epoch, int64_t number, int64_t most,
                              weld_error *err) {
    const weld_run_data *d = &p->data;
    weld_batch loaded;
    WELD_TRY(weld_loader_train_batch(d->loader, epoch, number, NULL, p->batch, &loaded, err));
    d->task->targets_fill(d->targets, &loaded, p->inputs);
    const size_t floats = (size_t)loaded.height * (size_t)loaded.width * 3;
    for (int64_t i = 0; i < loaded.count && i < most && p->count < p->room; i++, p->count++) {
        char *caption = p->captions[p->count];
        d->task->caption(d->targets, p->inputs, i, WELD_CAPTION_FRACTION, caption, CAPTION_SIZE);
        if (d->recipe.data.size_count) {
            weld_append(caption, CAPTION_SIZE, "\n%d x %d", loaded.height, loaded.width);
        }
        p->lines[p->count] = caption;
        p->sizes[p->count] = (weld_sheet_size){loaded.height, loaded.width};
        WELD_TRY(weld_draw_sample(d->task, d->targets, p->inputs, i, &d->recipe.data.preprocessing,
                                  loaded.height, loaded.width, p->batch + (size_t)i * floats, err));
        memcpy(p->images + p->floats, p->batch + (size_t)i * floats, floats * sizeof *p->images);
        p->floats += floats;
    }
    return WELD_OK;
}

static weld_status load(preview *p, const weld_preview_options *o, weld_preview_report *report,
                        weld_error *err) {
    const weld_run_data *d = &p->data;
    const uint32_t epoch = (uint32_t)o->epoch;
    const int64_t of_epoch = weld_loader_train_batches(d->loader, epoch);
    const int sizes = d->recipe.data.size_count > 1 ? d->recipe.data.size_count : 1;
    const int64_t most = sizes > 1 ? (p->room + sizes - 1) / sizes : p->room;
    bool seen[WELD_SIZES_MAX] = {false};
    WELD_TRY(weld_run_data_inputs(d, p->inputs, err));
    for (int64_t b = 0; b < of_epoch && p->count < p->room; b++) {
        const int64_t chosen = sizes == 1 ? choose_batch(p, epoch, b, of_epoch) : b;
        report->passed += chosen - b;
        b = chosen;
        const int shape = weld_loader_train_shape(d->loader, epoch, b);
        if (sizes == 1 || !seen[shape]) {
            WELD_TRY(load_batch(p, epoch, b, most, err));
            report->batches++;
        }
        seen[shape] = true;
    }
    return WELD_OK;
}

/* As the ending says: a JPEG, or else a PNG, which loses nothing. */
static weld_status encode(const weld_image *sheet, const char *out, weld_bytes *file,
                          weld_error *err) {
    const char *dot = strrchr(out, '.');
    return dot && (weld_strcasecmp(dot, ".jpg") == 0 || weld_strcasecmp(dot, ".jpeg") == 0)
               ? weld_encode_jpeg(sheet, QUALITY, file, err)
               : weld_encode_png(sheet, file, err);
}

weld_status weld_preview(const weld_preview_options *options, weld_preview_report *out,
                         weld_error *err) {
    preview *p = weld_alloc(1, sizeof *p);
    if (!p) {
        return weld_fail_memory(err, "preview");
    }
    weld_preview_report report = {0};
    weld_status status = open(p, options, err);
    status = status ? status : load(p, options, &report, err);
    status = status ? status
                    : weld_contact_sheet(&p->data.recipe.data.preprocessing, p->images, p->sizes,
                                         p->lines, p->count, COLUMNS, &p->sheet, err);
    status = status ? status : encode(&p->sheet, options->out, &p->file, err);
    status = status ? status : weld_file_write(options->out, p->file.data, p->file.size, err);
    report.samples = p->count;
    report.several_sizes = p->data.recipe.data.size_count > 1;
    report.caption_help = p->data.task ? p->data.task->caption_help : "";
    report.width = p->sheet.width;
    report.height = p->sheet.height;
    *out = report;
    weld_bytes_free(&p->file);
    weld_image_free(&p->sheet);
    weld_free(p->mixes);
    weld_free(p->lines);
    weld_free(p->captions);
    weld_run_data_free_inputs(p->inputs);
    weld_free(p->sizes);
    weld_free(p->images);
    weld_free(p->batch);
    weld_run_data_close(&p->data);
    weld_free(p);
    return status;
}
