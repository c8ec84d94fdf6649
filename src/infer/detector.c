/* Images to boxes; see weld/detect.h. */
#include "weld/detect.h"

#include "base/error.h"
#include "base/memory.h"
#include "infer/image_runner.h"
#include "infer/model.h"
#include "tasks/detection/detection.h"

struct weld_detector {
    weld_image_runner *runner;
    weld_nms_options nms;
    weld_array found; /* of the latest image */
};

static weld_status check(const weld_detector_options *o, weld_error *err) {
    if (!(o->confidence >= 0 && o->confidence <= 1) || !(o->iou >= 0 && o->iou <= 1) ||
        o->most < 0 || o->most > 30000) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "detector: confidence %g and iou %g must be in 0..1, most %d in 0..30000",
                         o->confidence, o->iou, o->most);
    }
    return WELD_OK;
}

static weld_status open(weld_detector *d, const weld_model *m, const weld_detector_options *o,
                        weld_error *err) {
    if (weld_model_task(m) != &weld_task_detection) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "the network is for %s: it finds no boxes",
                         weld_model_task(m)->name);
    }
    WELD_TRY(check(o, err));
    d->nms = weld_nms_for_answers();
    d->nms.confidence = o->confidence > 0 ? o->confidence : d->nms.confidence;
    d->nms.iou = o->iou > 0 ? o->iou : d->nms.iou;
    d->nms.kept = o->most ? o->most : d->nms.kept;
    d->nms.agnostic = o->agnostic;
    return weld_image_runner_create(m, o->threads, &d->runner, err);
}

weld_status weld_detector_create(const weld_model *m, const weld_detector_options *options,
                                 weld_detector **out, weld_error *err) {
    *out = NULL;
    weld_detector *d = weld_alloc(1, sizeof *d);
    if (!d) {
        return weld_fail_memory(err, "detector");
    }
    d->found.element = sizeof(weld_detection);
    weld_status status = open(d, m, options ? options : &(weld_detector_options){0}, err);
    if (status) {
        weld_detector_free(d);
        return status;
    }
    *out = d;
    return WELD_OK;
}

void weld_detector_free(weld_detector *d) {
    if (d) {
        weld_image_runner_free(d->runner);
        weld_array_free(&d->found);
        weld_free(d);
    }
}

static weld_status tell(weld_detector *d, const weld_tensor *outputs, weld_found *found, int room,
                        int *count, weld_error *err) {
    const weld_placement *placement = weld_image_runner_placement(d->runner);
    d->found.count = 0;
    WELD_TRY(weld_nms_of_image(&d->nms, outputs, 0, &d->found, err));
    for (*count = 0; *count < room && (size_t)*count < d->found.count; ++*count) {
        const weld_detection *one = &((const weld_detection *)d->found.data)[*count];
        const weld_found_box b = weld_found_box_of(one, placement);
        found[*count] = (weld_found){(float)b.x,      (float)b.y,     (float)b.width,
                                     (float)b.height, (float)b.score, b.class_index};
    }
    return WELD_OK;
}

weld_status weld_detector_run_rgb(weld_detector *d, const unsigned char *pixels, int width,
                                  int height, weld_found *found, int room, int *count,
                                  weld_error *err) {
    const weld_tensor *outputs;
    WELD_TRY(weld_image_runner_run_rgb(d->runner, pixels, width, height, &outputs, err));
    return tell(d, outputs, found, room, count, err);
}

weld_status weld_detector_run_bytes(weld_detector *d, const void *bytes, size_t size,
                                    weld_found *found, int room, int *count, weld_error *err) {
    const weld_tensor *outputs;
    WELD_TRY(weld_image_runner_run_bytes(d->runner, bytes, size, &outputs, err));
    return tell(d, outputs, found, room, count, err);
}

weld_status weld_detector_run_file(weld_detector *d, const char *path, weld_found *found, int room,
                                   int *count, weld_error *err) {
    const weld_tensor *outputs;
    WELD_TRY(weld_image_runner_run_file(d->runner, path, &outputs, err));
    return tell(d, outputs, found, room, count, err);
}
