/* How near a quantised network comes to the float one; see quantize_try.h. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "infer/quantize_try.h"

enum { BATCH = 16, OUTPUTS = 8 };
static const size_t MOST_BYTES = (size_t)128 << 20; /* of outputs that are kept */

struct weld_judge {
    const weld_calibration *calibration;
    int64_t images;
    int threads;
    int outputs;
    const char *names[OUTPUTS];
    int64_t floats[OUTPUTS]; /* of one image */
    float *said[OUTPUTS];    /* [images, floats] */
};

/* What is done with the outputs for images from `first` on. */
typedef void outputs_function(const weld_judge *j, void *context, int output, const float *said,
                              int64_t first, int64_t count);

static weld_status run(const weld_judge *j, const weld_graph *g, weld_weights *w,
                       outputs_function *take, void *context, weld_error *err) {
    const weld_session_options options = {
        .batch = BATCH, .threads = j->threads, .constant_weights = true};
    weld_session *s;
    WELD_TRY(weld_session_create(g, w, &options, &s, err));
    weld_status status = WELD_OK;
    for (int64_t first = 0; first < j->images && !status; first += BATCH) {
        const int64_t count = j->images - first < BATCH ? j->images - first : BATCH;
        status = weld_calibration_read(j->calibration, first, count,
                                       weld_session_input(s, "images").data, err);
        if (!status) {
            weld_session_run(s, 0);
        }
        for (int i = 0; i < j->outputs && !status; i++) {
            take(j, context, i, weld_session_output(s, j->names[i]).data, first, count);
        }
    }
    weld_session_free(s);
    return status;
}

static void keep(const weld_judge *j, void *context, int i, const float *said, int64_t first,
                 int64_t count) {
    (void)context;
    memcpy(j->said[i] + first * j->floats[i], said, (size_t)(count * j->floats[i]) * sizeof *said);
}

static weld_status make_room(weld_judge *j, const weld_graph *g, int64_t most, weld_error *err) {
    int64_t floats = 0;
    for (size_t i = 0; i < g->output_count && j->outputs < OUTPUTS; i++) {
        const weld_shape *s = &g->outputs[i].value->shape;
        j->names[j->outputs] = g->outputs[i].name;
        j->floats[j->outputs] = weld_shape_count(s) / s->dim[0];
        floats += j->floats[j->outputs++];
    }
    const int64_t room = (int64_t)(MOST_BYTES / sizeof(float)) / (floats > 0 ? floats : 1);
    const int64_t count = weld_calibration_count(j->calibration);
    j->images = most < count ? most : count;
    j->images = room < j->images ? (room > 1 ? room : 1) : j->images;
    for (int i = 0; i < j->outputs; i++) {
        j->said[i] = weld_alloc((size_t)(j->images * j->floats[i]), sizeof(float));
        if (!j->said[i]) {
            return weld_fail_memory(err, "quantising");
        }
    }
    return WELD_OK;
}

weld_status weld_judge_create(const weld_graph *g, weld_weights *w, const weld_calibration *c,
                              int64_t most, int threads, weld_judge **out, weld_error *err) {
    weld_judge *j = *out = weld_alloc(1, sizeof *j);
    if (!j) {
        return weld_fail_memory(err, "quantising");
    }
    *j = (weld_judge){.calibration = c, .threads = threads};
    weld_status status = make_room(j, g, most, err);
    status = status ? status : run(j, g, w, keep, NULL, err);
    if (status) {
        weld_judge_free(j);
        *out = NULL;
    }
    return status;
}

void weld_judge_free(weld_judge *j) {
    for (int i = 0; j && i < j->outputs; i++) {
        weld_free(j->said[i]);
    }
    weld_free(j);
}

/* --- Noise ------------------------------------------------------------------------------------ */

typedef struct powers {
    double noise[OUTPUTS], signal[OUTPUTS];
} powers;

static void add_powers(const weld_judge *j, void *context, int i, const float *said, int64_t first,
                       int64_t count) {
    powers *p = context;
    const float *wanted = j->said[i] + first * j->floats[i];
    for (int64_t k = 0; k < count * j->floats[i]; k++) {
        const double is = (double)wanted[k], off = (double)said[k] - is;
        p->signal[i] += is * is;
        p->noise[i] += off * off;
    }
}

static weld_status expect_finite(const weld_judge *j, weld_error *err) {
    for (int i = 0; i < j->outputs; i++) {
        for (int64_t k = 0; k < j->images * j->floats[i]; k++) {
            if (!isfinite(j->said[i][k])) {
                return weld_fail(err, WELD_ERROR_NUMERIC,
                                 "%s of the network are not finite for image %lld of those that "
                                 "it is judged by: some of its weights are not, or too large",
                                 j->names[i], (long long)(k / j->floats[i]));
            }
        }
    }
    return WELD_OK;
}

weld_status weld_judge_noise(const weld_judge *j, const weld_graph *g, weld_weights *w,
                             double *noise, weld_error *err) {
    powers p = {0};
    WELD_TRY(expect_finite(j, err));
    WELD_TRY(run(j, g, w, add_powers, &p, err));
    *noise = 0;
    for (int i = 0; i < j->outputs; i++) {
        const double share = p.noise[i] == 0 ? 0 : p.noise[i] / p.signal[i]; /* or not a number */
        *noise += share / j->outputs;
    }
    return WELD_OK;
}

double weld_noise_decibel(double noise) {
    return noise > 1e-20 ? -10 * log10(noise) : 200;
}

/* --- The same? -------------------------------------------------------------------------------- */

static void hold(const weld_judge *j, void *context, int i, const float *said, int64_t first,
                 int64_t count) {
    bool *same = context;
    *same = *same && memcmp(j->said[i] + first * j->floats[i], said,
                            (size_t)(count * j->floats[i]) * sizeof *said) == 0;
}

weld_status weld_judge_same(const weld_judge *j, const weld_attempt *a, const weld_graph *g,
                            weld_weights *w, bool *same, weld_error *err) {
    weld_judge *said;
    *same = true;
    WELD_TRY(weld_judge_create(a->graph, a->integers, j->calibration, j->images, j->threads, &said,
                               err));
    weld_status status = run(said, g, w, hold, same, err);
    weld_judge_free(said);
    return status;
}
