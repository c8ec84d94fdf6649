/* The maps of two networks' stages on the same noise; see compare.h. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "infer/compare.h"
#include "infer/model.h"

enum { IMAGES = 4 };

typedef struct maps {
    weld_runner *runner;
    float *data[WELD_MAX_STAGES];
} maps;

static int64_t elements(const weld_runner *r, size_t i) {
    const weld_shape one = weld_runner_output_shape(r, i);
    return IMAGES * weld_shape_count(&one);
}

static weld_status make_maps(const weld_model *m, const float *images, int threads, maps *out,
                             weld_error *err) {
    const weld_preprocessing *p = &m->file.preprocessing;
    WELD_TRY(weld_runner_create_features(m, p->height, p->width, threads, &out->runner, err));
    for (size_t i = 0; i < weld_runner_output_count(out->runner); i++) {
        out->data[i] = weld_alloc((size_t)elements(out->runner, i), sizeof(float));
        if (!out->data[i]) {
            return weld_fail_memory(err, "maps");
        }
    }
    return weld_runner_run(out->runner, images, IMAGES, out->data, err);
}

static void free_maps(maps *m) {
    for (int i = 0; i < WELD_MAX_STAGES; i++) {
        weld_free(m->data[i]);
    }
    weld_runner_free(m->runner);
}

static weld_status compare(const maps *a, const maps *b, weld_comparison *sum, weld_error *err) {
    const size_t count = weld_runner_output_count(a->runner);
    bool same = count == weld_runner_output_count(b->runner);
    for (size_t i = 0; same && i < count; i++) {
        same = elements(a->runner, i) == elements(b->runner, i);
    }
    if (!same) {
        return weld_fail(err, WELD_ERROR_SHAPE, "networks of other maps cannot be compared");
    }
    for (size_t i = 0; i < count; i++) {
        weld_comparison_add(sum, a->data[i], b->data[i], elements(a->runner, i));
    }
    return WELD_OK;
}

weld_status weld_model_compare_maps(const weld_model *before, const weld_model *after, int threads,
                                    weld_comparison *out, weld_error *err) {
    const weld_preprocessing *p = &before->file.preprocessing;
    const size_t pixels = (size_t)p->height * (size_t)p->width * 3;
    maps a = {0}, b = {0};
    weld_comparison sum = {.images = IMAGES, .output_word = "element of a map"};
    float *images = weld_alloc(IMAGES * pixels, sizeof *images);
    weld_status status = images ? WELD_OK : weld_fail_memory(err, "images");
    weld_random r = weld_random_start(0, 0, 0, WELD_RANDOM_TEST);
    for (size_t i = 0; images && i < IMAGES * pixels; i++) {
        images[i] = (float)weld_random_normal(&r);
    }
    status = status ? status : make_maps(before, images, threads, &a, err);
    status = status ? status : make_maps(after, images, threads, &b, err);
    status = status ? status : compare(&a, &b, &sum, err);
    free_maps(&a);
    free_maps(&b);
    weld_free(images);
    if (!status) {
        *out = sum;
    }
    return status;
}
