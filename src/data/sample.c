/* Samples; see sample.h. */
#include "data/sample.h"

#include "base/clock.h"

void weld_sample_worker_free(weld_sample_worker *w) {
    weld_bytes_free(&w->bytes);
    weld_image_free(&w->image);
    weld_image_free(&w->whole);
    weld_transform_scratch_free(&w->scratch);
}

void weld_sample_end_stage(weld_sample_worker *w, weld_stage stage) {
    double now = weld_clock();
    w->seconds[stage] += now - w->since;
    w->since = now;
}

void weld_sample_begin(const weld_sample_source *s, weld_sample_worker *w, int64_t count) {
    const bool is_raw = weld_dataset_layout(s->ds).height != 0; /* nothing to decode */
    w->state = count > 1 && !is_raw ? WHOLE_WANTED : WHOLE_NEVER;
}

/* The crop of the whole image, if samples share that. Where it cannot be decoded, each sample
 * decodes its own crop again: which of them fail must not depend on who shares. */
static bool take_of_whole(const weld_sample_source *s, int64_t index, const weld_sample_plan *plan,
                          weld_sample_worker *w, weld_decoded_part *out) {
    if (plan->reduction != 1) {
        return false;
    }
    if (w->state == WHOLE_WANTED) {
        weld_status status = weld_dataset_decode(s->ds, index, &w->bytes, &w->whole, NULL);
        w->state = status ? WHOLE_NEVER : WHOLE_THERE;
    }
    if (w->state != WHOLE_THERE) {
        return false;
    }
    const weld_pixels pixels = weld_image_pixels(&w->whole);
    *out = weld_part_of_image(&pixels, &plan->crop);
    return true;
}

weld_status weld_sample_training(const weld_sample_source *s, int64_t index, int64_t repeat,
                                 weld_sample_worker *w, float *out, weld_error *err) {
    int width, height;
    weld_status status = weld_dataset_size(s->ds, index, &w->bytes, &width, &height, err);
    if (status) {
        return status;
    }
    uint32_t view = s->views ? (uint32_t)((s->view + repeat) % s->views) : s->view;
    uint64_t stream = (uint64_t)index | (s->views ? 0 : (uint64_t)repeat << 48);
    weld_random random = weld_random_start(s->seed, view, stream, WELD_RANDOM_AUGMENT);
    weld_random erase = weld_random_start(s->seed, view, stream, WELD_RANDOM_ERASE);
    weld_sample_plan plan = weld_transform_plan(s->transform, width, height, &random);
    weld_decoded_part part;
    if (!take_of_whole(s, index, &plan, w, &part)) {
        status = weld_dataset_decode_part(s->ds, index, &w->bytes, &plan.crop, plan.reduction,
                                          &w->image, &part, err);
    }
    weld_sample_end_stage(w, WELD_STAGE_DECODE);
    if (!status) {
        status = weld_transform_training(s->transform, &plan, &part, &random, &erase, &w->scratch,
                                         out, err);
    }
    weld_sample_end_stage(w, WELD_STAGE_AUGMENT);
    return status;
}

weld_status weld_sample_evaluation(const weld_sample_source *s, int64_t index,
                                   weld_sample_worker *w, float *out, weld_error *err) {
    weld_status status = weld_dataset_decode(s->ds, index, &w->bytes, &w->whole, err);
    weld_sample_end_stage(w, WELD_STAGE_DECODE);
    if (!status) {
        status = weld_transform_evaluation(s->transform, &w->whole, &w->scratch, out, err);
    }
    weld_sample_end_stage(w, WELD_STAGE_AUGMENT);
    return status;
}
