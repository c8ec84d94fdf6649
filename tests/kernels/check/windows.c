/* Trials of pooling, patches and resampling; see check.h. */
#include "check.h"

static void draw_geometry(trial *t, weld_random *r) {
    if (!t->fixed) {
        t->g = draw_window(r);
    }
    const weld_window *g = &t->g;
    t->terms = (double)(g->kernel_h * g->kernel_w + 1);
    t->begin = 0;
    t->end = g->oh;
    describe(t, "%lldx%lldx%lld, kernel %lldx%lld, stride %lldx%lld, padding %lldx%lld",
             (long long)g->h, (long long)g->w, (long long)g->c, (long long)g->kernel_h,
             (long long)g->kernel_w, (long long)g->stride_h, (long long)g->stride_w,
             (long long)g->pad_h, (long long)g->pad_w);
}

static array *add_image(trial *t, weld_random *r, const char *name, usage role, int64_t h,
                        int64_t w) {
    return add_array(t, r, name, role, h, w * t->g.c, w * t->g.c);
}

/* Few different values, so that windows hold their maximum more than once. */
static void make_ties(array *x) {
    for (int64_t i = 0; i < array_span(x); i++) {
        x->value[i] = (double)(int64_t)(x->value[i] * 2);
    }
}

static void call_max_pool(const weld_kernels *k, void *const *p, const trial *t) {
    k->max_pool(&t->g, p[0], t->begin, t->end, p[1]);
}

static void draw_max_pool(trial *t, weld_random *r) {
    draw_geometry(t, r);
    t->call = call_max_pool;
    t->bound = bound_exact;
    if (!t->fixed) {
        t->begin = draw_between(r, 0, t->g.oh - 1);
        t->end = draw_between(r, t->begin, t->g.oh);
    }
    add_image(t, r, "x", INPUT, t->g.h, t->g.w);
    array *y = add_image(t, r, "y", OUTPUT, t->g.oh, t->g.ow);
    y->begin = t->begin;
    y->end = t->end;
}

static void call_max_pool_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->max_pool_grad(&t->g, p[0], p[1], p[2]);
}

/* Linear in dy alone: growth u times the same sum of |dy|. */
static void bound_max_pool_grad(trial *t) {
    array *dy = &t->array[1], *dx = &t->array[2];
    for (int64_t i = 0; i < array_span(dy); i++) {
        dy->bound[i] = growth(t->terms) * UNIT * (dy->value[i] < 0 ? -dy->value[i] : dy->value[i]);
    }
    weld_kernels_ref_f64()->max_pool_grad(&t->g, t->array[0].value, dy->bound, dx->bound);
}

static void draw_max_pool_grad(trial *t, weld_random *r) {
    draw_geometry(t, r);
    t->call = call_max_pool_grad;
    t->bound = bound_max_pool_grad;
    t->roundings = (double)(t->g.kernel_h * t->g.kernel_w);
    array *x = add_image(t, r, "x", INPUT, t->g.h, t->g.w);
    if (draw_chance(r, 0.5)) {
        make_ties(x);
    }
    add_image(t, r, "dy", INPUT, t->g.oh, t->g.ow);
    add_image(t, r, "dx", OUTPUT, t->g.h, t->g.w);
}

/* Some output positions, and some of the channels. */
static void draw_patches(trial *t, weld_random *r) {
    draw_geometry(t, r);
    t->begin = 0;
    t->end = t->g.oh * t->g.ow;
    t->channel = 0;
    t->count = t->g.c;
    if (!t->fixed) {
        t->begin = draw_between(r, 0, t->end - 1);
        t->end = draw_between(r, t->begin + 1, t->end);
        t->channel = draw_between(r, 0, t->g.c - 1);
        t->count = draw_between(r, 1, t->g.c - t->channel);
    }
}

static array *add_patches(trial *t, weld_random *r, const char *name, usage role) {
    const int64_t width = t->g.kernel_h * t->g.kernel_w * t->count;
    return add_array(t, r, name, role, t->end - t->begin, width, width);
}

static void call_im2col(const weld_kernels *k, void *const *p, const trial *t) {
    k->im2col(&t->g, p[0], t->channel, t->count, t->begin, t->end, p[1]);
}

static void draw_im2col(trial *t, weld_random *r) {
    draw_patches(t, r);
    t->call = call_im2col;
    t->bound = bound_exact;
    add_image(t, r, "x", INPUT, t->g.h, t->g.w);
    add_patches(t, r, "out", OUTPUT);
}

static void call_col2im(const weld_kernels *k, void *const *p, const trial *t) {
    k->col2im(&t->g, p[0], t->channel, t->count, t->begin, t->end, p[1]);
}

/* As bound_linear, but elements that no patch covers must keep every bit. */
static void bound_col2im(trial *t) {
    bound_linear(t);
    const array *dx = &t->array[1];
    for (int64_t i = 0; i < array_span(dx); i++) {
        const int64_t c = i % t->g.c;
        if (c < t->channel || c >= t->channel + t->count) {
            dx->bound[i] = 0;
        }
    }
}

static void draw_col2im(trial *t, weld_random *r) {
    draw_patches(t, r);
    t->call = call_col2im;
    t->bound = bound_col2im;
    t->roundings = (double)(t->g.kernel_h * t->g.kernel_w);
    add_patches(t, r, "patches", INPUT);
    add_image(t, r, "dx", UPDATED, t->g.h, t->g.w);
}

enum { MOST_OUTPUTS = 128, MOST_TAPS = 3 };

typedef struct tap_table {
    int64_t first[MOST_OUTPUTS + 1], from[MOST_OUTPUTS * MOST_TAPS];
    double weight[MOST_OUTPUTS * MOST_TAPS];
} tap_table;

/* The same for the same seed: none to three taps for each output, anywhere in the inputs. */
static weld_taps make_taps(uint64_t seed, int64_t inputs, int64_t outputs, tap_table *table) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    int64_t count = 0;
    for (int64_t i = 0; i < outputs; i++) {
        table->first[i] = count;
        for (int64_t taps = draw_between(&r, 0, MOST_TAPS); taps > 0; taps--, count++) {
            table->from[count] = draw_between(&r, 0, inputs - 1);
            table->weight[count] = weld_random_range(&r, 0, 1);
        }
    }
    table->first[outputs] = count;
    return (weld_taps){table->first, table->from, table->weight};
}

static void call_resample(const weld_kernels *k, void *const *p, const trial *t) {
    static tap_table rows, columns;
    const weld_window *g = &t->g;
    const weld_resampling resampling = {g->w, g->ow, g->c,
                                        make_taps((uint64_t)t->k, g->h, g->oh, &rows),
                                        make_taps((uint64_t)t->k + 1, g->w, g->ow, &columns)};
    k->resample(&resampling, p[0], t->begin, t->end, p[1]);
}

/* The image of a window, resized to another's output. */
static void draw_resample(trial *t, weld_random *r) {
    draw_geometry(t, r);
    t->call = call_resample;
    t->terms = MOST_TAPS * MOST_TAPS;
    t->k = draw_between(r, 0, 1 << 20);
    if (!t->fixed) {
        t->begin = draw_between(r, 0, t->g.oh - 1);
        t->end = draw_between(r, t->begin, t->g.oh);
    }
    add_image(t, r, "x", INPUT, t->g.h, t->g.w);
    array *y = add_image(t, r, "y", OUTPUT, t->g.oh, t->g.ow);
    y->begin = t->begin;
    y->end = t->end;
}

const kernel_check window_checks[] = {
    {"max_pool", 80, draw_max_pool}, {"max_pool_grad", 80, draw_max_pool_grad},
    {"im2col", 80, draw_im2col},     {"col2im", 80, draw_col2im},
    {"resample", 80, draw_resample}, {0},
};
