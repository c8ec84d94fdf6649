/* AdamW, SGD and RMSprop; see optimizer.h. */
#include "optimize/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "optimize/clip_units.h"
#include "optimize/rmsprop_tf.h"
#include "optimize/sgd.h"
#include "passes/fake_quantize.h"

/* Elements that one call of the kernel updates: its four arrays fit in the second-level cache. */
#define BLOCK 32768

/* A parameter that is trained. */
typedef struct slot {
    size_t parameter;                  /* number in the graph */
    weld_tensor weight, m, v, average; /* v, average: data NULL where there is none */
    bool decays;
} slot;

typedef struct block {
    size_t slot;
    int64_t begin, count;
} block;

/* A buffer and its moving average. */
typedef struct buffer {
    weld_tensor now, average;
} buffer;

/* An update of everything. */
typedef struct update {
    const weld_optimizer *o;
    const weld_tensor *gradients;
    const weld_update_rates *rates;
    double gradient_scale, gradient_limit;
} update;

/* What update_block hands to a method: n elements of a parameter. */
typedef struct piece {
    int64_t n;
    double lr, weight_decay;
    const void *gradient;
    void *weight, *m, *v, *average;
} piece;

/* What the methods do not have in common. */
typedef struct method {
    const char *name;
    void (*update)(const update *u, const piece *p);
    bool f32_only;
    bool squares;        /* are there averages of squares ... */
    float squares_start; /* ... which begin so */
} method;

struct weld_optimizer {
    weld_optimizer_options options;
    const method *method;
    slot *slots;
    double *scales; /* of the learning rate, by slot */
    size_t slot_count;
    weld_weights *m, *v; /* v NULL: SGD */
    block *blocks;
    double *square_sums; /* by block; NULL where nothing is clipped by norm */
    int64_t block_count, updates;
    buffer *buffers; /* with an average */
    size_t buffer_count;
};

/* --- Methods --- */

static void update_adamw(const update *u, const piece *p) {
    const weld_optimizer_options *s = &u->o->options;
    const weld_adamw_step step = {.lr = p->lr,
                                  .beta1 = s->beta1,
                                  .beta2 = s->beta2,
                                  .eps = s->eps,
                                  .weight_decay = p->weight_decay,
                                  .correction1 = u->rates->correction1,
                                  .correction2 = u->rates->correction2,
                                  .gradient_scale = u->gradient_scale,
                                  .gradient_limit = u->gradient_limit,
                                  .average_decay = u->rates->average_decay};
    s->kernels->adamw(&step, p->n, p->gradient, p->weight, p->m, p->v, p->average);
}

static void update_sgd(const update *u, const piece *p) {
    const weld_optimizer_options *s = &u->o->options;
    const weld_sgd_step step = {.lr = p->lr,
                                .momentum = s->momentum,
                                .weight_decay = p->weight_decay,
                                .nesterov = s->nesterov,
                                .gradient_scale = u->gradient_scale,
                                .gradient_limit = u->gradient_limit,
                                .average_decay = u->rates->average_decay};
    weld_sgd_update(&step, p->n, p->gradient, p->weight, p->m, p->average);
}

static void update_rmsprop_tf(const update *u, const piece *p) {
    const weld_optimizer_options *s = &u->o->options;
    const weld_rmsprop_tf_step step = {.lr = p->lr,
                                       .alpha = s->alpha,
                                       .eps = s->eps,
                                       .momentum = s->momentum,
                                       .weight_decay = p->weight_decay,
                                       .gradient_scale = u->gradient_scale,
                                       .gradient_limit = u->gradient_limit,
                                       .average_decay = u->rates->average_decay};
    weld_rmsprop_tf_update(&step, p->n, p->gradient, p->weight, p->m, p->v, p->average);
}

static const method methods[] = {
    [WELD_ADAMW] = {"AdamW", update_adamw, .squares = true},
    [WELD_SGD] = {"SGD", update_sgd, .f32_only = true},
    [WELD_RMSPROP_TF] = {"RMSprop", update_rmsprop_tf, .f32_only = true, .squares = true,
                         .squares_start = 1},
};

/* --- Parameters and their state --- */

bool weld_optimizer_decays(const char *name, const weld_shape *shape) {
    size_t length = strlen(name);
    bool bias = length >= 5 && strcmp(name + length - 5, ".bias") == 0;
    return shape->rank > 1 && !bias;
}

/* The tensor of a leaf of the graph. */
static weld_status find_tensor(const weld_value *leaf, const weld_weights *w, const char *whose,
                               weld_tensor *out, weld_error *err) {
    const char *name = weld_value_name(leaf);
    weld_shape shape = weld_value_shape(leaf);
    if (!weld_weights_find(w, name, out) || !weld_shape_equal(&out->shape, &shape) ||
        out->dtype != leaf->dtype) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "optimizer: the %s hold no %s of the graph's shape and type", whose, name);
    }
    return WELD_OK;
}

/* Averages of squares are made as zeros. */
static void start_squares(const weld_optimizer *o, const weld_tensor *v) {
    const float start = o->method->squares_start;
    const int64_t count = start != 0 ? weld_shape_count(&v->shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        ((float *)v->data)[i] = start; /* only methods for f32 have one */
    }
}

static weld_status add_slot(weld_optimizer *o, const weld_graph *g, size_t i, weld_weights *w,
                            weld_error *err) {
    const weld_value *parameter = weld_graph_parameter(g, i);
    const char *name = weld_value_name(parameter);
    weld_shape shape = weld_value_shape(parameter);
    weld_dtype dtype = o->options.kernels->dtype;
    o->scales[o->slot_count] = o->options.rates ? o->options.rates[i].scale : 1;
    slot *s = &o->slots[o->slot_count++];
    weld_status status = find_tensor(parameter, w, "weights", &s->weight, err);
    if (!status && dtype != s->weight.dtype) {
        status =
            weld_fail(err, WELD_ERROR_SHAPE, "optimizer: %s is not of the kernels' type", name);
    }
    if (!status && o->options.ema) {
        status = find_tensor(parameter, o->options.ema, "averages", &s->average, err);
    }
    s->parameter = i;
    s->decays = (o->options.decay_on == WELD_DECAY_ALL && strcmp(name, WELD_FAKE_STEPS) != 0) ||
                weld_optimizer_decays(name, &shape);
    o->block_count += (weld_shape_count(&shape) + BLOCK - 1) / BLOCK;
    status = status ? status : weld_weights_add(o->m, name, dtype, &shape, &s->m, err);
    if (!status && o->v) {
        status = weld_weights_add(o->v, name, dtype, &shape, &s->v, err);
        if (!status) {
            start_squares(o, &s->v);
        }
    }
    return status;
}

static weld_status add_buffers(weld_optimizer *o, const weld_graph *g, const weld_weights *w,
                               weld_error *err) {
    o->buffers = weld_alloc(g->value_count, sizeof *o->buffers);
    weld_status status = o->buffers ? WELD_OK : weld_fail_memory(err, "optimizer");
    for (size_t i = 0; !status && i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_BUFFER) {
            buffer *b = &o->buffers[o->buffer_count++];
            status = find_tensor(v, w, "weights", &b->now, err);
            status = status ? status : find_tensor(v, o->options.ema, "averages", &b->average, err);
            if (!status && v->dtype != WELD_F32 && v->dtype != WELD_I64) {
                status = weld_fail(err, WELD_ERROR_ARGUMENT,
                                   "optimizer: there are no averages of a %s buffer",
                                   weld_dtype_name(v->dtype));
            }
        }
    }
    return status;
}

static weld_status make_blocks(weld_optimizer *o, weld_error *err) {
    const bool norm = o->options.clip > 0 && o->options.clip_mode == WELD_CLIP_NORM;
    o->blocks = weld_alloc((size_t)o->block_count, sizeof *o->blocks);
    o->square_sums = norm ? weld_alloc((size_t)o->block_count, sizeof(double)) : NULL;
    if (!o->blocks || (norm && !o->square_sums)) {
        return weld_fail_memory(err, "optimizer");
    }
    block *next = o->blocks;
    for (size_t i = 0; i < o->slot_count; i++) {
        int64_t count = weld_shape_count(&o->slots[i].weight.shape);
        for (int64_t begin = 0; begin < count; begin += BLOCK) {
            int64_t left = count - begin;
            *next++ = (block){i, begin, left < BLOCK ? left : BLOCK};
        }
    }
    return WELD_OK;
}

/* Of one moment. */
static size_t trained_bytes(const weld_optimizer *o, const weld_graph *g) {
    size_t bytes = 0;
    for (size_t i = 0; i < weld_graph_parameter_count(g); i++) {
        const weld_tensor moment = {o->options.kernels->dtype,
                                    weld_value_shape(weld_graph_parameter(g, i)), NULL};
        if (!o->options.rates || o->options.rates[i].trained) {
            bytes += weld_round_up(weld_tensor_bytes(&moment), WELD_ALIGNMENT);
        }
    }
    return bytes;
}

static weld_status make_moments(const weld_graph *g, const weld_optimizer *o, weld_weights **out,
                                weld_error *err) {
    WELD_TRY(weld_weights_create(out, err));
    return weld_weights_reserve(*out, trained_bytes(o, g), err);
}

static weld_status check_type(const weld_optimizer_options *o, weld_error *err) {
    const method *m = &methods[o->method];
    return !m->f32_only || o->kernels->dtype == WELD_F32
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT, "optimizer: %s is for f32 only", m->name);
}

weld_status weld_optimizer_create(const weld_graph *g, weld_weights *w,
                                  const weld_optimizer_options *options, weld_optimizer **out,
                                  weld_error *err) {
    size_t count = weld_graph_parameter_count(g);
    weld_status status = check_type(options, err);
    weld_optimizer *o = status ? NULL : weld_alloc(1, sizeof *o);
    if (!o) {
        return status ? status : weld_fail_memory(err, "optimizer");
    }
    o->options = *options;
    o->method = &methods[options->method];
    o->slots = weld_alloc(count, sizeof *o->slots);
    o->scales = weld_alloc(count, sizeof *o->scales);
    status = o->slots && o->scales ? WELD_OK : weld_fail_memory(err, "optimizer");
    status = status ? status : make_moments(g, o, &o->m, err);
    if (!status && o->method->squares) {
        status = make_moments(g, o, &o->v, err);
    }
    for (size_t i = 0; !status && i < count; i++) {
        if (!options->rates || options->rates[i].trained) {
            status = add_slot(o, g, i, w, err);
        }
    }
    o->options.rates = NULL; /* the caller's */
    status = status ? status : make_blocks(o, err);
    if (!status && options->ema) {
        status = add_buffers(o, g, w, err);
    }
    if (status) {
        weld_optimizer_free(o);
        return status;
    }
    *out = o;
    return WELD_OK;
}

void weld_optimizer_free(weld_optimizer *o) {
    if (o) {
        weld_free(o->slots);
        weld_free(o->scales);
        weld_weights_free(o->m);
        weld_weights_free(o->v);
        weld_free(o->blocks);
        weld_free(o->square_sums);
        weld_free(o->buffers);
        weld_free(o);
    }
}

/* --- Updates --- */

/* From element `begin` on; NULL where the tensor has no data. */
static void *data_at(const weld_tensor *t, int64_t begin) {
    return t->data ? (char *)t->data + (size_t)begin * weld_dtype_size(t->dtype) : NULL;
}

static void update_block(void *arg, int64_t item, int thread) {
    (void)thread;
    const update *u = arg;
    const block *b = &u->o->blocks[item];
    const slot *s = &u->o->slots[b->slot];
    const piece p = {.n = b->count,
                     .lr = u->rates->lr * u->o->scales[b->slot],
                     .weight_decay = s->decays ? u->o->options.weight_decay : 0,
                     .gradient = data_at(&u->gradients[s->parameter], b->begin),
                     .weight = data_at(&s->weight, b->begin),
                     .m = data_at(&s->m, b->begin),
                     .v = data_at(&s->v, b->begin),
                     .average = data_at(&s->average, b->begin)};
    u->o->method->update(u, &p);
}

static void sum_block(void *arg, int64_t item, int thread) {
    (void)thread;
    const update *u = arg;
    const weld_optimizer *o = u->o;
    const block *b = &o->blocks[item];
    const weld_tensor *gradient = &u->gradients[o->slots[b->slot].parameter];
    o->square_sums[item] = o->options.kernels->square_sum(b->count, data_at(gradient, b->begin));
}

/* The blocks' sums are added in their order, whatever thread made them. */
static double gradient_norm(const weld_optimizer *o, update *u) {
    double sum = 0;
    weld_parallel(o->options.threads, o->block_count, sum_block, u);
    for (int64_t i = 0; i < o->block_count; i++) {
        sum += o->square_sums[i];
    }
    return sqrt(sum);
}

/* A norm that is not a number makes all weights so, which is found; it must not go unseen. */
static double norm_scale(const weld_optimizer *o, update *u) {
    double scale = o->options.clip / (gradient_norm(o, u) + 1e-6);
    return scale > 1 ? 1 : scale;
}

static void clip_slot(void *arg, int64_t item, int thread) {
    (void)thread;
    const update *u = arg;
    const slot *s = &u->o->slots[item];
    weld_clip_units(u->o->options.kernels, u->o->options.clip, &s->weight,
                    &u->gradients[s->parameter]);
}

/* Before the update: what it scales and limits gradients by, or limited gradients. */
static void clip(const weld_optimizer *o, update *u) {
    const weld_optimizer_options *s = &o->options;
    if (s->clip > 0 && s->clip_mode == WELD_CLIP_VALUE) {
        u->gradient_limit = s->clip;
    } else if (s->clip > 0 && s->clip_mode == WELD_CLIP_NORM) {
        u->gradient_scale = norm_scale(o, u);
    } else if (s->clip > 0) {
        weld_parallel(s->threads, (int64_t)o->slot_count, clip_slot, u);
    }
}

/* Running statistics are few: one thread moves their averages. */
static void average_buffer(const buffer *b, double decay) {
    const int64_t count = weld_shape_count(&b->now.shape);
    if (b->now.dtype == WELD_F32) {
        const float *now = b->now.data;
        float *average = b->average.data;
        for (int64_t i = 0; i < count; i++) {
            average[i] = (float)(decay * (double)average[i] + (1 - decay) * (double)now[i]);
        }
    } else {
        memcpy(b->average.data, b->now.data, (size_t)count * weld_dtype_size(b->now.dtype));
    }
}

weld_update_rates weld_optimizer_rates(const weld_optimizer *o, double lr) {
    const weld_optimizer_options *s = &o->options;
    const double number = (double)(o->updates + 1), least = pow(number, -2.0 / 3);
    return (weld_update_rates){
        .lr = lr,
        .correction1 = 1.0 - pow(s->beta1, number),
        .correction2 = 1.0 - pow(s->beta2, number),
        .average_decay = s->ema_warmup && 1 - least < s->ema_decay ? 1 - least : s->ema_decay};
}

void weld_optimizer_step(weld_optimizer *o, const weld_tensor *gradients,
                         const weld_update_rates *rates) {
    update u = {.o = o,
                .gradients = gradients,
                .rates = rates,
                .gradient_scale = 1,
                .gradient_limit = INFINITY};
    o->updates++;
    clip(o, &u);
    weld_parallel(o->options.threads, o->block_count, update_block, &u);
    for (size_t i = 0; i < o->buffer_count; i++) {
        average_buffer(&o->buffers[i], rates->average_decay);
    }
}

weld_tensor weld_optimizer_scales(weld_optimizer *o) {
    return (weld_tensor){WELD_F64, WELD_SHAPE((int64_t)o->slot_count), o->scales};
}

void weld_optimizer_set_updates(weld_optimizer *o, int64_t updates) {
    o->updates = updates;
}

weld_weights *weld_optimizer_first_moments(weld_optimizer *o) {
    return o->m;
}

weld_weights *weld_optimizer_second_moments(weld_optimizer *o) {
    return o->v;
}
