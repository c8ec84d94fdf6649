/* AdamW; see optimizer.h. */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"

/* Elements that one call of the kernel updates: its four arrays fit in the second-level cache. */
#define BLOCK 32768

typedef struct block {
    size_t parameter;
    int64_t begin, count;
} block;

struct weld_optimizer {
    weld_optimizer_options options;
    size_t parameter_count;
    weld_tensor *weights; /* by parameter */
    bool *decays;
    weld_weights *m, *v;
    block *blocks;
    int64_t block_count, updates;
};

bool weld_optimizer_decays(const char *name, const weld_shape *shape) {
    size_t length = strlen(name);
    bool bias = length >= 5 && strcmp(name + length - 5, ".bias") == 0;
    return shape->rank > 1 && !bias;
}

static weld_status add_parameter(weld_optimizer *o, size_t i, const weld_value *parameter,
                                 weld_weights *w, weld_error *err) {
    const char *name = weld_value_name(parameter);
    weld_shape shape = weld_value_shape(parameter);
    weld_tensor moment;
    weld_dtype dtype = o->options.kernels->dtype;
    if (!weld_weights_find(w, name, &o->weights[i]) ||
        !weld_shape_equal(&o->weights[i].shape, &shape) || o->weights[i].dtype != dtype) {
        return weld_fail(err, WELD_ERROR_SHAPE,
                         "optimizer: the weights hold no %s of the graph's shape and type", name);
    }
    o->decays[i] = weld_optimizer_decays(name, &shape);
    o->block_count += (weld_shape_count(&shape) + BLOCK - 1) / BLOCK;
    weld_status status = weld_weights_add(o->m, name, dtype, &shape, &moment, err);
    return status ? status : weld_weights_add(o->v, name, dtype, &shape, &moment, err);
}

static weld_status make_blocks(weld_optimizer *o, weld_error *err) {
    o->blocks = weld_alloc((size_t)o->block_count, sizeof *o->blocks);
    if (!o->blocks) {
        return weld_fail_memory(err, "optimizer");
    }
    block *next = o->blocks;
    for (size_t i = 0; i < o->parameter_count; i++) {
        int64_t count = weld_shape_count(&o->weights[i].shape);
        for (int64_t begin = 0; begin < count; begin += BLOCK) {
            int64_t left = count - begin;
            *next++ = (block){i, begin, left < BLOCK ? left : BLOCK};
        }
    }
    return WELD_OK;
}

weld_status weld_optimizer_create(const weld_graph *g, weld_weights *w,
                                  const weld_optimizer_options *options, weld_optimizer **out,
                                  weld_error *err) {
    weld_optimizer *o = weld_alloc(1, sizeof *o);
    if (!o) {
        return weld_fail_memory(err, "optimizer");
    }
    o->options = *options;
    o->parameter_count = weld_graph_parameter_count(g);
    o->weights = weld_alloc(o->parameter_count, sizeof *o->weights);
    o->decays = weld_alloc(o->parameter_count, sizeof *o->decays);
    weld_status status = o->weights && o->decays ? WELD_OK : weld_fail_memory(err, "optimizer");
    status = status ? status : weld_weights_create(&o->m, err);
    status = status ? status : weld_weights_create(&o->v, err);
    for (size_t i = 0; !status && i < o->parameter_count; i++) {
        status = add_parameter(o, i, weld_graph_parameter(g, i), w, err);
    }
    status = status ? status : make_blocks(o, err);
    if (status) {
        weld_optimizer_free(o);
        return status;
    }
    *out = o;
    return WELD_OK;
}

void weld_optimizer_free(weld_optimizer *o) {
    if (o) {
        weld_free(o->weights);
        weld_free(o->decays);
        weld_weights_free(o->m);
        weld_weights_free(o->v);
        weld_free(o->blocks);
        weld_free(o);
    }
}

typedef struct update {
    const weld_optimizer *o;
    const weld_tensor *gradients;
    weld_adamw_step step;
} update;

static void update_block(void *arg, int64_t item, int thread) {
    (void)thread;
    const update *u = arg;
    const weld_optimizer *o = u->o;
    const block *b = &o->blocks[item];
    weld_adamw_step step = u->step;
    if (!o->decays[b->parameter]) {
        step.weight_decay = 0;
    }
    size_t at = (size_t)b->begin * weld_dtype_size(o->options.kernels->dtype);
    o->options.kernels->adamw(&step, b->count, (const char *)u->gradients[b->parameter].data + at,
                              (char *)o->weights[b->parameter].data + at,
                              (char *)weld_weights_tensor(o->m, b->parameter).data + at,
                              (char *)weld_weights_tensor(o->v, b->parameter).data + at);
}

void weld_optimizer_step(weld_optimizer *o, const weld_tensor *gradients, double lr) {
    const weld_optimizer_options *s = &o->options;
    o->updates++;
    update u = {.o = o,
                .gradients = gradients,
                .step = {.lr = lr,
                         .beta1 = s->beta1,
                         .beta2 = s->beta2,
                         .eps = s->eps,
                         .weight_decay = s->weight_decay,
                         .correction1 = 1.0 - pow(s->beta1, (double)o->updates),
                         .correction2 = 1.0 - pow(s->beta2, (double)o->updates)}};
    weld_parallel(s->threads, o->block_count, update_block, &u);
}

int64_t weld_optimizer_updates(const weld_optimizer *o) {
    return o->updates;
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
