/* Trials of the depthwise convolution; see check.h. */
#include "check.h"

static void draw_geometry(trial *t, weld_random *r, const char *blocked) {
    if (!t->fixed) {
        t->g = draw_window(r);
    }
    const weld_window *g = &t->g;
    const int64_t rows = blocked[0] == 'y' ? g->oh : g->h;
    t->begin = 0;
    t->end = rows;
    if (!t->fixed && draw_chance(r, 0.5)) {
        t->begin = draw_between(r, 0, rows - 1);
        t->end = draw_between(r, t->begin, rows);
    }
    t->terms = (double)(g->kernel_h * g->kernel_w + 1);
    describe(
        t,
        "%lldx%lldx%lld, kernel %lldx%lld, stride %lldx%lld, padding %lldx%lld, rows %lld to %lld",
        (long long)g->h, (long long)g->w, (long long)g->c, (long long)g->kernel_h,
        (long long)g->kernel_w, (long long)g->stride_h, (long long)g->stride_w, (long long)g->pad_h,
        (long long)g->pad_w, (long long)t->begin, (long long)t->end);
}

/* [h, w, c] and the like: a row of the image is a row of the array. */
static array *add_image(trial *t, weld_random *r, const char *name, usage role, int64_t h,
                        int64_t w) {
    return add_array(t, r, name, role, h, w * t->g.c, w * t->g.c);
}

static void call_forward(const weld_kernels *k, void *const *p, const trial *t) {
    k->depthwise(&t->g, p[0], p[1], p[2], t->begin, t->end, p[3]);
}

static void draw_forward(trial *t, weld_random *r) {
    draw_geometry(t, r, "y");
    t->call = call_forward;
    const weld_window *g = &t->g;
    add_image(t, r, "x", INPUT, g->h, g->w);
    add_image(t, r, "weight", INPUT, g->kernel_h, g->kernel_w)->kind = PARAMETER;
    array *bias = add_image(t, r, "bias", INPUT, 1, 1);
    bias->kind = PARAMETER;
    bias->absent = draw_chance(r, 0.5);
    array *y = add_image(t, r, "y", OUTPUT, g->oh, g->ow);
    y->begin = t->begin;
    y->end = t->end;
}

static void call_input_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->depthwise_input_grad(&t->g, p[0], p[1], t->begin, t->end, p[2]);
}

static void draw_input_grad(trial *t, weld_random *r) {
    draw_geometry(t, r, "x");
    t->call = call_input_grad;
    const weld_window *g = &t->g;
    add_image(t, r, "dy", INPUT, g->oh, g->ow);
    add_image(t, r, "weight", INPUT, g->kernel_h, g->kernel_w)->kind = PARAMETER;
    array *dx = add_image(t, r, "dx", OUTPUT, g->h, g->w);
    dx->begin = t->begin;
    dx->end = t->end;
}

static void call_weight_grad(const weld_kernels *k, void *const *p, const trial *t) {
    k->depthwise_weight_grad(&t->g, p[0], p[1], t->begin, t->end, p[2]);
}

static void draw_weight_grad(trial *t, weld_random *r) {
    draw_geometry(t, r, "y");
    t->call = call_weight_grad;
    const weld_window *g = &t->g;
    t->terms = (double)((t->end - t->begin) * g->ow + 1);
    add_image(t, r, "x", INPUT, g->h, g->w);
    add_image(t, r, "dy", INPUT, g->oh, g->ow);
    add_image(t, r, "dweight", UPDATED, g->kernel_h, g->kernel_w)->kind = PARAMETER;
}

const kernel_check depthwise_checks[] = {
    {"depthwise", 150, draw_forward},
    {"depthwise_input_grad", 150, draw_input_grad},
    {"depthwise_weight_grad", 150, draw_weight_grad},
    {0},
};
