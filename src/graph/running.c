/* Running averages; see running.h. */
#include "graph/running.h"

void weld_running_move_some(weld_dtype dtype, double momentum, int64_t count, const double *values,
                            void *average) {
    if (dtype == WELD_F64) {
        double *x = average;
        for (int64_t i = 0; i < count; i++) {
            x[i] = (1 - momentum) * x[i] + momentum * values[i];
        }
    } else {
        float *x = average;
        for (int64_t i = 0; i < count; i++) {
            x[i] = (float)((1 - momentum) * (double)x[i] + momentum * values[i]);
        }
    }
}

void weld_running_count(const weld_run *run, int64_t runs) {
    const weld_running r = run->node->op->cpu.running;
    *(int64_t *)run->in[r.first + r.count].data += runs;
}

void weld_running_move(const weld_run *run, const double *values) {
    const weld_running r = run->node->op->cpu.running;
    for (int i = r.first; i < r.first + r.count; i++) {
        const weld_tensor *average = &run->in[i];
        const int64_t count = weld_shape_count(&average->shape);
        weld_running_move_some(average->dtype, run->node->attributes.momentum, count, values,
                               average->data);
        values += count;
    }
    if (r.count) {
        weld_running_count(run, 1);
    }
}
