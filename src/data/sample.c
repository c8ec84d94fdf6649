/* Samples; see sample.h. */
#include "data/sample.h"

#include "base/clock.h"
#include "base/error.h"
#include "data/mosaic.h"

void weld_sample_worker_free(weld_sample_worker *w) {
    for (int i = 0; i < WELD_SAMPLE_PARTS; i++) {
        weld_bytes_free(&w->images[i].bytes);
        weld_image_free(&w->images[i].part);
        weld_image_free(&w->images[i].whole);
    }
    weld_transform_scratch_free(&w->scratch);
}

void weld_sample_spent(weld_sample_worker *w, weld_time_use use) {
    double now = weld_clock();
    w->seconds[use] += now - w->since;
    w->since = now;
}

void weld_sample_begin(const weld_sample_source *s, weld_sample_image *image, int64_t count) {
    const bool is_raw = weld_dataset_layout(s->ds).height != 0; /* nothing to decode */
    image->state = count > 1 && !is_raw ? WHOLE_WANTED : WHOLE_NEVER;
}

weld_random weld_sample_random(const weld_sample_source *s, int64_t index, int64_t repeat,
                               weld_random_purpose purpose) {
    uint32_t view = s->views ? (uint32_t)((s->view + repeat) % s->views) : s->view;
    uint64_t stream = (uint64_t)index | (s->views ? 0 : (uint64_t)repeat << 48);
    return weld_random_start(s->seed, view, stream, purpose);
}

static weld_reading reading_of(const weld_sample_source *s) {
    return weld_reading_of(&s->transform->preprocessing);
}

/* The crop of the whole image, if samples share that. Where it cannot be decoded, each sample
 * decodes its own crop again: which of them fail must not depend on who shares. */
static bool take_of_whole(const weld_sample_source *s, int64_t index, const weld_sample_plan *plan,
                          weld_sample_image *image, weld_decoded_part *out) {
    if (plan->reduction != 1) {
        return false;
    }
    if (image->state == WHOLE_WANTED) {
        weld_status status =
            weld_dataset_decode(s->ds, index, &image->bytes, reading_of(s), &image->whole, NULL);
        image->state = status ? WHOLE_NEVER : WHOLE_THERE;
    }
    if (image->state != WHOLE_THERE) {
        return false;
    }
    const weld_pixels pixels = weld_image_pixels(&image->whole);
    *out = weld_part_of_image(&pixels, &plan->crop);
    return true;
}

static weld_status annotate(const weld_sample_source *s, int64_t index,
                            const weld_placement *placement, weld_array *annotation,
                            weld_error *err) {
    const size_t first = annotation->count;
    WELD_TRY(s->annotation->read(s->ds, index, annotation, err));
    if (s->annotation->place) {
        s->annotation->place(annotation, first, placement);
    }
    return WELD_OK;
}

static void draw_plans(const weld_sample_source *s, const weld_sample *sample,
                       const weld_image_size *sizes, weld_random *random, weld_sample_plan *plans) {
    if (s->transform->augmentation.kind == WELD_AUGMENT_DETECTION) {
        weld_mosaic_plan(s->transform, sample->parts, sizes, sample->count, random, plans);
        return;
    }
    for (int i = 0; i < sample->count; i++) {
        plans[i] = weld_transform_plan(s->transform, sizes[i].width, sizes[i].height,
                                       sample->parts[i].cell, random);
    }
}

/* Draw how each part is cropped, and put its annotation where that takes it. */
static weld_status plan_parts(const weld_sample_source *s, const weld_sample *sample,
                              const weld_sample_worker *w, weld_random *random,
                              weld_sample_plan *plans, weld_array *annotation, int *bad,
                              weld_error *err) {
    weld_image_size sizes[WELD_SAMPLE_PARTS];
    for (int i = 0; i < sample->count; i++) {
        *bad = i;
        WELD_TRY(weld_dataset_size(s->ds, sample->parts[i].index, &w->images[i].bytes,
                                   reading_of(s), &sizes[i].width, &sizes[i].height, err));
    }
    draw_plans(s, sample, sizes, random, plans);
    for (int i = 0; i < sample->count && s->annotation; i++) {
        const weld_placement placement =
            weld_transform_placement(s->transform, &plans[i], sizes[i].width, sizes[i].height);
        *bad = i;
        if (weld_plan_is_seen(&plans[i])) {
            WELD_TRY(annotate(s, sample->parts[i].index, &placement, annotation, err));
        }
    }
    return WELD_OK;
}

weld_status weld_sample_training(const weld_sample_source *s, const weld_sample *sample,
                                 weld_sample_worker *w, float *out, weld_array *annotation,
                                 int *bad, weld_error *err) {
    weld_random random = weld_sample_random(s, sample->index, sample->repeat, WELD_RANDOM_AUGMENT);
    weld_random erase = weld_sample_random(s, sample->index, sample->repeat, WELD_RANDOM_ERASE);
    weld_sample_plan plans[WELD_SAMPLE_PARTS];
    weld_decoded_part parts[WELD_SAMPLE_PARTS];
    WELD_TRY(plan_parts(s, sample, w, &random, plans, annotation, bad, err));
    weld_status status = WELD_OK;
    for (int i = 0; i < sample->count && !status; i++) {
        weld_sample_image *image = &w->images[i];
        const int64_t index = sample->parts[i].index;
        *bad = i;
        if (weld_plan_is_seen(&plans[i]) && !take_of_whole(s, index, &plans[i], image, &parts[i])) {
            status = weld_dataset_decode_part(s->ds, index, &image->bytes, &plans[i].crop,
                                              plans[i].reduction, reading_of(s), &image->part,
                                              &parts[i], err);
        }
    }
    weld_sample_spent(w, WELD_TIME_DECODING);
    status = status ? status
                    : weld_transform_training(s->transform, plans, parts, sample->count, &random,
                                              &erase, &w->scratch, out, err);
    weld_sample_spent(w, WELD_TIME_AUGMENTING);
    return status;
}

weld_status weld_sample_evaluation(const weld_sample_source *s, int64_t index,
                                   weld_sample_worker *w, float *out, weld_array *annotation,
                                   weld_placement *placement, weld_error *err) {
    weld_sample_image *image = &w->images[0];
    weld_status status =
        weld_dataset_decode(s->ds, index, &image->bytes, reading_of(s), &image->whole, err);
    weld_sample_spent(w, WELD_TIME_DECODING);
    status = status ? status
                    : weld_transform_evaluation(s->transform, &image->whole, &w->scratch, out, err);
    if (!status) {
        *placement = weld_transform_evaluation_placement(s->transform, image->whole.width,
                                                         image->whole.height);
        status = s->annotation ? annotate(s, index, placement, annotation, err) : WELD_OK;
    }
    weld_sample_spent(w, WELD_TIME_AUGMENTING);
    return status;
}
