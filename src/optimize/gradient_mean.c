/* Gradient accumulation; see gradient_mean.h. */
#include "optimize/gradient_mean.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"

struct weld_gradient_mean {
    const weld_tensor *gradients; /* of the batch that is added */
    weld_tensor *sums;
    char *memory; /* of all sums */
    size_t count, bytes;
    int64_t batches;
    const weld_kernels *kernels;
    int threads;
};

static size_t bytes_of(const weld_tensor *t) {
    return weld_round_up(weld_tensor_bytes(t), WELD_ALIGNMENT);
}

weld_status weld_gradient_mean_create(const weld_tensor *gradients, size_t count,
                                      const weld_kernels *kernels, int threads,
                                      weld_gradient_mean **out, weld_error *err) {
    weld_gradient_mean *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, "gradient accumulation");
    }
    *m = (weld_gradient_mean){.count = count, .kernels = kernels, .threads = threads};
    for (size_t i = 0; i < count; i++) {
        m->bytes += gradients[i].data ? bytes_of(&gradients[i]) : 0;
    }
    m->sums = weld_alloc(count, sizeof *m->sums);
    m->memory = weld_alloc(m->bytes, 1);
    if (!m->sums || !m->memory) {
        weld_gradient_mean_free(m);
        return weld_fail_memory(err, "gradient accumulation");
    }
    char *next = m->memory;
    for (size_t i = 0; i < count; i++) {
        m->sums[i] = gradients[i];
        if (gradients[i].data) {
            m->sums[i].data = next;
            next += bytes_of(&gradients[i]);
        }
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

static void add_one(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_gradient_mean *m = arg;
    const weld_tensor *from = &m->gradients[item], *to = &m->sums[item];
    const int64_t count = weld_shape_count(&from->shape);
    if (from->data && m->batches == 0) {
        memcpy(to->data, from->data, (size_t)count * weld_dtype_size(from->dtype));
    } else if (from->data) {
        m->kernels->add(count, to->data, from->data, to->data);
    }
}

static void divide_one(void *arg, int64_t item, int thread) {
    (void)thread;
    const weld_gradient_mean *m = arg;
    const weld_tensor *sum = &m->sums[item];
    if (sum->data) {
        m->kernels->scale(weld_shape_count(&sum->shape), 1.0 / (double)m->batches, sum->data,
                          sum->data);
    }
}

void weld_gradient_mean_add(weld_gradient_mean *m, const weld_tensor *gradients) {
    m->gradients = gradients;
    weld_parallel(m->threads, (int64_t)m->count, add_one, m);
    m->batches++;
}

const weld_tensor *weld_gradient_mean_take(weld_gradient_mean *m) {
    weld_parallel(m->threads, (int64_t)m->count, divide_one, m);
    m->batches = 0;
    return m->sums;
}

size_t weld_gradient_mean_bytes(const weld_gradient_mean *m) {
    return m->bytes;
}
