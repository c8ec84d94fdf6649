/* Images to quantise by and to compare on; see quantize_data.h. */
#include "infer/quantize_data.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/file.h"

void weld_quantize_say(const weld_quantize_options *o, const char *format, ...) {
    char line[1200];
    va_list args;
    va_start(args, format);
    weld_vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (o->message) {
        o->message(o->context, line);
    }
}

void weld_quantize_show(const weld_quantize_options *o, const char *stage, int64_t done,
                        int64_t total) {
    if (o->progress) {
        o->progress(o->context, stage, done, total);
    }
}

/* Of classes or boxes; else a folder of images, of which the reason is said. */
static weld_status open_images(const char *path, const weld_quantize_options *o,
                               weld_quantize_data *d, bool *labelled, weld_error *err) {
    const weld_dataset_options plain = {.unlabelled = true};
    struct stat info;
    const weld_status status = weld_dataset_open_to_judge(path, &d->ds, err);
    *labelled = status == WELD_OK;
    if (*labelled) {
        return WELD_OK;
    }
    d->ds = NULL;
    weld_dataset *images;
    if (weld_file_look(path, &info) != 0 || !S_ISDIR(info.st_mode) ||
        weld_dataset_open_with(path, &plain, &images, NULL) != WELD_OK) {
        return status;
    }
    if (weld_dataset_count(images) == 0) {
        weld_dataset_free(images);
        return weld_fail(err, WELD_ERROR_NOT_FOUND,
                         "%s: there is no JPEG, PNG or WebP image in this folder to calibrate on",
                         path);
    }
    d->ds = images;
    if (!d->evaluation.ds) {
        weld_quantize_say(o,
                          "%s: images without labels: how many classes change is told, not how "
                          "many are right; --eval names images with labels",
                          path);
    }
    return WELD_OK;
}

static weld_status fail_none_left(const weld_quantize_data *d, weld_error *err) {
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: no image is left to compare both networks on: name others by --eval",
                     weld_dataset_path(d->ds));
}

weld_status weld_quantize_data_leave_out(weld_quantize_data *d, const weld_calibration *c,
                                         weld_error *err) {
    weld_dataset *ds = d->evaluation.ds;
    if (!d->parted || !ds) {
        return WELD_OK;
    }
    const int64_t stored = weld_dataset_stored_count(d->ds), count = weld_dataset_count(ds);
    if (weld_dataset_stored_count(ds) != stored) { /* each was opened by itself */
        return weld_fail(err, WELD_ERROR_FORMAT,
                         "%s: images were added or taken away meanwhile: begin anew",
                         weld_dataset_path(ds));
    }
    unsigned char *taken = weld_alloc((size_t)stored, 1), *part = weld_alloc((size_t)count, 1);
    weld_status status = taken && part ? WELD_OK : weld_fail_memory(err, weld_dataset_path(d->ds));
    for (int64_t i = 0; i < weld_calibration_count(c) && !status; i++) {
        taken[weld_dataset_number(d->ds, weld_calibration_sample(c, i))] = 1;
    }
    for (int64_t i = 0; i < count && !status; i++) {
        const int64_t number = weld_dataset_number(ds, i);
        part[i] = taken[number];
    }
    status = status ? status : weld_dataset_keep(ds, part, 0, err);
    weld_free(taken);
    weld_free(part);
    return status || weld_dataset_count(ds) > 0 ? status : fail_none_left(d, err);
}

weld_status weld_quantize_data_open(const weld_model *m, const char *data,
                                    const weld_quantize_options *options, weld_quantize_data *out,
                                    weld_error *err) {
    bool labelled = false, opened = out->evaluation.ds != NULL;
    weld_status status = WELD_OK;
    if (!opened && options->evaluate) {
        status = weld_model_data_open(m, options->evaluate, &out->evaluation, err);
        opened = true;
    }
    status = status ? status : open_images(data, options, out, &labelled, err);
    status = status ? status
                    : weld_calibration_choose(out->ds, INT64_MAX, &out->order, &out->count, err);
    out->parted = !opened;
    if (!status && labelled && out->parted) {
        status = weld_model_data_open(m, data, &out->evaluation, err);
        status = status || out->count > 1 ? status : fail_none_left(out, err);
    }
    if (status) {
        weld_quantize_data_close(out);
    }
    return status;
}

void weld_quantize_data_close(weld_quantize_data *d) {
    weld_free(d->order);
    weld_dataset_free(d->ds);
    weld_model_data_close(&d->evaluation);
    *d = (weld_quantize_data){.ds = NULL};
}
