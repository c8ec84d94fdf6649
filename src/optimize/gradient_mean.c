/* Gradient accumulation; see gradient_mean.h. */
#include "optimize/gradient_mean.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "distributed/tree.h"
#include "graph/graph.h"

struct weld_gradient_mean {
    const weld_tensor *gradients; /* of the batch that is added */
    weld_tensor *sums;            /* of the first node of the tree */
    char *memory;                 /* of nodes, `bytes` each */
    size_t count, bytes;
    int places;
    int64_t groups, batches; /* at most, and added */
    weld_tree tree;
    int top, joins; /* nodes before what is done now, and what the tree says of it */
    const weld_kernels *kernels;
    int threads;
};

static size_t bytes_of(const weld_tensor *t) {
    return weld_round_up(weld_tensor_bytes(t), WELD_ALIGNMENT);
}

static weld_status allocate(weld_gradient_mean *m, const weld_tensor *gradients, weld_error *err) {
    for (size_t i = 0; i < m->count; i++) {
        m->bytes += gradients[i].data ? bytes_of(&gradients[i]) : 0;
    }
    m->sums = weld_alloc(m->count, sizeof *m->sums);
    m->memory = weld_alloc(m->bytes, (size_t)m->places);
    if (!m->sums || !m->memory) {
        return weld_fail_memory(err, "gradient accumulation");
    }
    char *next = m->memory;
    for (size_t i = 0; i < m->count; i++) {
        m->sums[i] = gradients[i];
        if (gradients[i].data) {
            m->sums[i].data = next;
            next += bytes_of(&gradients[i]);
        }
    }
    return WELD_OK;
}

weld_status weld_gradient_mean_create(const weld_tensor *gradients, size_t count, int64_t batches,
                                      const weld_kernels *kernels, int threads,
                                      weld_gradient_mean **out, weld_error *err) {
    weld_gradient_mean *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, "gradient accumulation");
    }
    *m = (weld_gradient_mean){.count = count,
                              .places = weld_tree_places(batches, (weld_groups){0, batches}),
                              .groups = batches,
                              .tree = weld_tree_begin(batches),
                              .kernels = kernels,
                              .threads = threads};
    const weld_status status = allocate(m, gradients, err);
    if (status) {
        weld_gradient_mean_free(m);
        return status;
    }
    *out = m;
    return WELD_OK;
}

void weld_gradient_mean_free(weld_gradient_mean *m) {
    if (m) {
        weld_free(m->sums);
        weld_free(m->memory);
        weld_free(m);
    }
}

/* A parameter's part of a node. */
static void *part(const weld_gradient_mean *m, int node, int64_t parameter) {
    return (char *)m->sums[parameter].data + (size_t)node * m->bytes;
}

/* The last nodes, of which the last one is number `last`, become one. */
static void join(const weld_gradient_mean *m, int last, int joins, int64_t parameter) {
    const int64_t count = weld_shape_count(&m->sums[parameter].shape);
    for (int to = last - 1; to >= last - joins; to--) {
        void *sum = part(m, to, parameter);
        m->kernels->add(count, sum, part(m, to + 1, parameter), sum);
    }
}

static void add_one(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_gradient_mean *m = arg;
    const weld_tensor *from = &m->gradients[item];
    if (from->data && m->joins == 0) {
        memcpy(part(m, m->top, item), from->data, weld_tensor_bytes(from));
    } else if (from->data) {
        void *sum = part(m, m->top - 1, item);
        m->kernels->add(weld_shape_count(&from->shape), sum, from->data, sum);
        join(m, m->top - 1, m->joins - 1, item);
    }
}

static void divide_one(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_gradient_mean *m = arg;
    const weld_tensor *sum = &m->sums[item];
    if (sum->data) {
        join(m, m->top - 1, m->joins, item);
        m->kernels->scale(weld_shape_count(&sum->shape), 1.0 / (double)m->batches, sum->data,
                          sum->data);
    }
}

void weld_gradient_mean_add(weld_gradient_mean *m, const weld_tensor *gradients) {
    m->gradients = gradients;
    m->top = m->tree.count;
    m->joins = weld_tree_push(&m->tree, (weld_groups){m->batches++, 1});
    weld_parallel(m->threads, (int64_t)m->count, add_one, m);
}

const weld_tensor *weld_gradient_mean_take(weld_gradient_mean *m) {
    m->top = m->tree.count;
    m->joins = weld_tree_close(&m->tree);
    weld_parallel(m->threads, (int64_t)m->count, divide_one, m);
    m->batches = 0;
    m->tree = weld_tree_begin(m->groups);
    return m->sums;
}

size_t weld_gradient_mean_bytes(const weld_gradient_mean *m) {
    return m->bytes * (size_t)m->places;
}
