/* RMSprop as TensorFlow has it; see rmsprop_tf.h. Plain C, as sgd.c. */
#include "optimize/rmsprop_tf.h"

#include <math.h>
#include <stddef.h>

/* In floats, as the arrays are. */
typedef struct factors {
    float scale, limit, lr, fresh, eps, momentum, decay, average, rest;
} factors;

static inline void update(const factors *f, int64_t n, const float *restrict gradient,
                          float *restrict weight, float *restrict m, float *restrict v,
                          float *restrict average) {
    for (int64_t i = 0; i < n; i++) {
        float g = f->scale * gradient[i];
        g = g > f->limit ? f->limit : g; /* comparisons with NaN are false: it stays */
        g = g < -f->limit ? -f->limit : g;
        g += f->decay * weight[i];
        v[i] += f->fresh * (g * g - v[i]);
        m[i] = f->momentum * m[i] + f->lr * g / sqrtf(v[i] + f->eps);
        weight[i] -= m[i];
        if (average) {
            average[i] = f->average * average[i] + f->rest * weight[i];
        }
    }
}

void weld_rmsprop_tf_update(const weld_rmsprop_tf_step *s, int64_t n, const float *gradient,
                            float *weight, float *m, float *v, float *average) {
    const factors f = {.scale = (float)s->gradient_scale,
                       .limit = (float)s->gradient_limit,
                       .lr = (float)s->lr,
                       .fresh = (float)(1 - s->alpha),
                       .eps = (float)s->eps,
                       .momentum = (float)s->momentum,
                       .decay = (float)s->weight_decay,
                       .average = (float)s->average_decay,
                       .rest = (float)(1 - s->average_decay)};
    if (average) { /* known when compiling, in each of the two */
        update(&f, n, gradient, weight, m, v, average);
    } else {
        update(&f, n, gradient, weight, m, v, NULL);
    }
}
