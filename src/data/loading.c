/* Making the samples of a batch; see loading.h. */
#include "data/loading.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/threads.h"

/* --- Which samples ---------------------------------------------------------------------------- */

void weld_loading_pick(const weld_loader *l, const weld_sample_source *source, int64_t index,
                       int64_t repeat, int64_t slot, weld_picks *p) {
    const weld_composition *c = l->options.composition;
    weld_sample_part *parts = p->parts + slot * l->most;
    p->indices[slot] = index;
    p->repeats[slot] = repeat;
    p->counts[slot] = 1;
    parts[0] = (weld_sample_part){index, weld_transform_whole(source->transform)};
    if (c && !source->alone) {
        weld_random random = weld_sample_random(source, index, repeat, WELD_RANDOM_COMPOSE);
        p->counts[slot] = c->compose(c->settings, weld_dataset_count(l->ds), parts[0].cell.height,
                                     parts[0].cell.width, &random, parts);
    }
}

void weld_loading_pick_in_order(const weld_loader *l, const weld_sample_source *source,
                                int64_t position, int64_t count, weld_picks *p) {
    for (int64_t i = 0; i < count; i++) {
        int64_t repeat, index = weld_order_sample(l->order, position + i, &repeat);
        weld_loading_pick(l, source, index, repeat, i, p);
    }
}

void weld_loading_read_coming(weld_loader *l, int64_t count) {
    const weld_picks *p = &l->coming;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < l->most; k++) {
            const int64_t number = i * l->most + k;
            /* The first of a run reads for all. */
            const bool again = k == 0 && i > 0 && p->indices[i] == p->indices[i - 1];
            l->wanted[number] = k < p->counts[i] && !again ? p->parts[number].index : -1;
        }
    }
    weld_read_ahead_request(l->read_ahead, l->served + 1, l->wanted, count * l->most);
}

/* --- One sample ------------------------------------------------------------------------------- */

weld_sample_source weld_loading_source(const weld_loader *l, const weld_transform *transform,
                                       uint32_t view) {
    return (weld_sample_source){.ds = l->ds,
                                .transform = transform,
                                .annotation = l->options.annotation,
                                .seed = l->options.seed,
                                .view = view,
                                .views = l->options.views};
}

size_t weld_loading_floats(const weld_sample_source *source) {
    const weld_preprocessing *p = &source->transform->preprocessing;
    return (size_t)p->height * (size_t)p->width * 3;
}

static weld_sample sample_of(const weld_loader *l, int64_t slot) {
    const weld_picks *p = &l->picks;
    return (weld_sample){.index = p->indices[slot],
                         .repeat = p->repeats[slot],
                         .parts = p->parts + slot * l->most,
                         .count = p->counts[slot]};
}

/* The bytes of a part, of which `count` samples are made. */
static weld_status read_part(const weld_loading *job, int64_t slot, int part, int64_t count,
                             bool is_ahead, weld_sample_worker *w, weld_error *err) {
    weld_loader *l = job->loader;
    const int64_t number = slot * l->most + part, index = l->picks.parts[number].index;
    weld_sample_image *image = &w->images[part];
    w->since = weld_clock();
    const weld_status status =
        is_ahead ? weld_read_ahead_read(l->read_ahead, l->served, number, index, &image->bytes, err)
                 : weld_dataset_read(l->ds, index, &image->bytes, err);
    weld_sample_begin(&job->source, image, count);
    weld_sample_spent(w, WELD_TIME_WAITING);
    l->bad[slot] = part;
    return status;
}

/* The sample of a slot of whose first part w holds the bytes. */
static weld_status make_sample(const weld_loading *job, int64_t slot, bool is_ahead,
                               weld_sample_worker *w, weld_error *err) {
    weld_loader *l = job->loader;
    const weld_sample sample = sample_of(l, slot);
    float *out = job->images + (size_t)slot * weld_loading_floats(&job->source);
    weld_array *annotation = &l->annotations[slot];
    annotation->count = 0;
    if (!job->training) {
        return weld_sample_evaluation(&job->source, sample.index, w, out, annotation,
                                      &l->placements[slot], err);
    }
    for (int part = 1; part < sample.count; part++) {
        WELD_TRY(read_part(job, slot, part, 1, is_ahead, w, err));
    }
    return weld_sample_training(&job->source, &sample, w, out, annotation, &l->bad[slot], err);
}

static void load_run(void *arg, int64_t run, int thread) {
    const weld_loading *job = arg;
    weld_loader *l = job->loader;
    weld_sample_worker *w = &l->workers[thread];
    const int64_t first = l->runs[run], end = l->runs[run + 1];
    const bool is_ahead = l->read_ahead != NULL;
    weld_error *why = &l->errors[first];
    weld_status read = read_part(job, first, 0, end - first, is_ahead, w, why);
    for (int64_t slot = first; slot < end; slot++) {
        if (read && slot > first) {
            l->errors[slot] = *why;
        }
        l->bad[slot] = 0;
        l->statuses[slot] = read ? read : make_sample(job, slot, is_ahead, w, &l->errors[slot]);
    }
}

void weld_loading_run(weld_loading *job, int64_t count) {
    weld_loader *l = job->loader;
    int64_t runs = 0;
    for (int64_t slot = 0; slot < count; slot++) {
        if (slot == 0 || l->picks.indices[slot] != l->picks.indices[slot - 1]) {
            l->runs[runs++] = slot;
        }
    }
    l->runs[runs] = count;
    weld_parallel(l->threads, runs, load_run, job);
}

bool weld_loading_is_bad_image(const weld_loader *l, int64_t slot) {
    if (!weld_is_bad_image(l->statuses[slot])) {
        return false;
    }
    if (l->options.bad_image) {
        const int64_t index = l->picks.parts[slot * l->most + l->bad[slot]].index;
        l->options.bad_image(l->options.bad_image_arg, index, l->errors[slot].message);
    }
    return true;
}

weld_status weld_loading_fail(const weld_loader *l, int64_t slot, weld_error *err) {
    return weld_fail(err, l->statuses[slot], "%s", l->errors[slot].message);
}

void weld_loading_replace(const weld_loading *job, int64_t slot, int64_t position) {
    weld_loader *l = job->loader;
    int64_t repeat, index = weld_order_sample(l->order, position, &repeat);
    weld_error *why = &l->errors[slot];
    if (l->bad[slot] > 0) {
        l->picks.parts[slot * l->most + l->bad[slot]].index = index;
    } else {
        weld_loading_pick(l, &job->source, index, repeat, slot, &l->picks);
    }
    weld_sample_worker *w = &l->workers[0];
    weld_status read = read_part(job, slot, 0, 1, false, w, why);
    l->statuses[slot] = read ? read : make_sample(job, slot, false, w, why);
}
