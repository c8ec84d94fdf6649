/* Starting values of parameters and buffers: a draw is a function of (seed, name). */
#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "graph/graph.h"

static double draw(const weld_init *init, weld_random *r) {
    double x;
    switch (init->kind) {
    case WELD_INIT_CONSTANT:
        return init->a;
    case WELD_INIT_UNIFORM:
        return weld_random_range(r, init->a, init->b);
    case WELD_INIT_TRUNC_NORMAL:
        do {
            x = init->a * weld_random_normal(r);
        } while (init->b > 0 && fabs(x) > init->b);
        return x;
    }
    return 0.0;
}

static void fill(const weld_value *v, uint64_t seed, const weld_tensor *t) {
    weld_random r = weld_random_start(seed, 0, weld_hash_name(v->name), WELD_RANDOM_INIT);
    int64_t count = weld_shape_count(&t->shape);
    for (int64_t i = 0; i < count; i++) {
        double x = draw(&v->init, &r);
        switch (t->dtype) {
        case WELD_F32:
            ((float *)t->data)[i] = (float)x;
            break;
        case WELD_F64:
            ((double *)t->data)[i] = x;
            break;
        case WELD_I64:
            ((int64_t *)t->data)[i] = (int64_t)x;
            break;
        case WELD_BF16: /* no leaf has it: working copies are made from f32 */
        case WELD_U8:   /* nor these where values are drawn */
        case WELD_I8:
        case WELD_I32:
            break;
        }
    }
}

static size_t leaf_bytes(const weld_graph *g) {
    size_t bytes = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            const weld_tensor t = {v->dtype, v->shape, NULL};
            bytes += weld_round_up(weld_tensor_bytes(&t), WELD_ALIGNMENT);
        }
    }
    return bytes;
}

weld_status weld_graph_init_weights(const weld_graph *g, uint64_t seed, weld_weights **out,
                                    weld_error *err) {
    *out = NULL;
    weld_weights *w = NULL;
    weld_status status = weld_graph_status(g, err);
    status = status ? status : weld_weights_create(&w, err);
    status = status ? status : weld_weights_reserve(w, leaf_bytes(g), err);
    for (size_t i = 0; i < g->value_count && !status; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER) {
            weld_tensor t;
            status = weld_weights_add(w, v->name, v->dtype, &v->shape, &t, err);
            if (!status) {
                fill(v, seed, &t);
            }
        }
    }
    if (status) {
        weld_weights_free(w);
        return status;
    }
    *out = w;
    return WELD_OK;
}
