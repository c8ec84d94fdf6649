/* SGD with momentum; see sgd.h. Plain C: memory sets the pace, whatever the instruction set. */
#include "optimize/sgd.h"

#include <stddef.h>

/* In floats, as the arrays are. */
typedef struct factors {
    float scale, limit, lr, momentum, decay, average, rest;
    bool nesterov;
} factors;

static inline void update(const factors *f, int64_t n, const float *restrict gradient,
                          float *restrict weight, float *restrict m, float *restrict average) {
    for (int64_t i = 0; i < n; i++) {
        float g = f->scale * gradient[i];
        g = g > f->limit ? f->limit : g; /* comparisons with NaN are false: it stays */
        g = g < -f->limit ? -f->limit : g;
        g += f->decay * weight[i];
        m[i] = f->momentum * m[i] + g;
        weight[i] -= f->lr * (f->nesterov ? g + f->momentum * m[i] : m[i]);
        if (average) {
            average[i] = f->average * average[i] + f->rest * weight[i];
        }
    }
}

void weld_sgd_update(const weld_sgd_step *s, int64_t n, const float *gradient, float *weight,
                     float *m, float *average) {
    const factors f = {.scale = (float)s->gradient_scale,
                       .limit = (float)s->gradient_limit,
                       .lr = (float)s->lr,
                       .momentum = (float)s->momentum,
                       .decay = (float)s->weight_decay,
                       .average = (float)s->average_decay,
                       .rest = (float)(1 - s->average_decay),
                       .nesterov = s->nesterov};
    if (average) { /* known when compiling, in each of the two */
        update(&f, n, gradient, weight, m, average);
    } else {
        update(&f, n, gradient, weight, m, NULL);
    }
}
