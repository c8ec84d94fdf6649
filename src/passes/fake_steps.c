/* Steps of codes that are learned: which rows are whose, where they begin, and what was learned;
 * see fake_quantize.h. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/learned_step.h"
#include "passes/fake_quantize.h"

size_t weld_fake_steps_find(const weld_graph *merged, const weld_fake_rows *rows,
                            weld_fake_bits bits, size_t *first) {
    size_t count = 0;
    for (size_t i = 0; i < merged->value_count; i++) {
        first[i] = count;
        count += rows->weight[i]                           ? (size_t)merged->values[i]->shape.dim[0]
                 : rows->activation[i] && bits.activations ? 1
                                                           : 0;
    }
    return count;
}

float weld_fake_step(float base, float share) {
    return base * fmaxf(share, WELD_LEAST_SHARE);
}

float weld_fake_first_step(const float *row, int64_t count, int bits) {
    const double most = weld_fake_largest(bits);
    double sum = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        const double size = fabs((double)row[i]);
        sum += size;
        largest = size > largest ? size : largest;
    }
    return (float)fmin(2 * sum / (double)count / sqrt(most), largest / most);
}

static weld_status read(const float *steps, size_t count, const weld_graph *merged,
                        const weld_fake_rows *rows, weld_fake_bits bits, weld_learned_scales *out,
                        weld_error *err) {
    bool fit = weld_fake_steps_find(merged, rows, bits, out->first) == count;
    for (size_t i = 0; i < count && fit; i++) {
        out->scales[i] =
            weld_fake_step(steps[WELD_STEP_COLUMNS * i], steps[WELD_STEP_COLUMNS * i + 1]);
        fit = isnormal(out->scales[i]) && out->scales[i] > 0;
    }
    return fit ? WELD_OK
               : weld_fail(err, WELD_ERROR_FORMAT,
                           "the steps that it learned are of another network");
}

weld_status weld_fake_steps_read(const float *steps, size_t count, const weld_fake_rows *rows,
                                 weld_fake_bits bits, const weld_graph *merged,
                                 weld_learned_scales *out, weld_error *err) {
    *out = (weld_learned_scales){weld_alloc(count, sizeof *out->scales),
                                 weld_alloc(merged->value_count, sizeof *out->first)};
    weld_status status = out->scales && out->first
                             ? read(steps, count, merged, rows, bits, out, err)
                             : weld_fail_memory(err, "quantisation");
    if (status) {
        weld_learned_scales_free(out);
    }
    return status;
}

void weld_learned_scales_free(weld_learned_scales *s) {
    weld_free(s->scales);
    weld_free(s->first);
    *s = (weld_learned_scales){NULL};
}
