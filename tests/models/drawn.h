/* Arrays that scripts/make_detector_fixtures draws by the same rule, so that files need not have
 * them: element i is word i of SplitMix64 that starts at the hash of the name. */
#ifndef WELD_TESTS_MODELS_DRAWN_H
#define WELD_TESTS_MODELS_DRAWN_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "graph/graph.h"

static inline uint64_t drawn_hash(const char *prefix, const char *name) {
    uint64_t hash = 0xcbf29ce484222325;
    for (int part = 0; part < 2; part++) {
        for (const char *c = part ? name : prefix; *c; c++) {
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
        }
    }
    return hash;
}

/* Of [low, high), rounded to float. */
static inline float drawn(uint64_t hash, int64_t i, double low, double high) {
    uint64_t z = hash + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return (float)(low + (high - low) * ((double)(z >> 40) * 0x1p-24));
}

/* Of an array of either type. */
static inline double element_of(const weld_tensor *t, int64_t i) {
    return t->dtype == WELD_F64 ? ((const double *)t->data)[i]
                                : (double)((const float *)t->data)[i];
}

static inline void draw_into(const weld_tensor *t, const char *prefix, const char *name, double low,
                             double high) {
    const uint64_t hash = drawn_hash(prefix, name);
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        const float value = drawn(hash, i, low, high);
        if (t->dtype == WELD_F64) {
            ((double *)t->data)[i] = (double)value;
        } else {
            ((float *)t->data)[i] = value;
        }
    }
}

static inline bool name_ends(const char *name, const char *ending) {
    const size_t length = strlen(name), end = strlen(ending);
    return length >= end && strcmp(name + length - end, ending) == 0;
}

/* A parameter or buffer of a network, each kind from a range of its own. */
static inline void draw_weight(const weld_tensor *t, const char *name) {
    if (t->dtype == WELD_I64 || strncmp(name, "normalize.", 10) == 0) {
        return;
    }
    if (name_ends(name, "running_var")) {
        draw_into(t, "", name, 0.5, 1.5);
    } else if (t->shape.rank == 4) {
        const int64_t *dim = t->shape.dim;
        const double bound = sqrt(3 / (double)(dim[1] * dim[2] * dim[3]));
        draw_into(t, "", name, -bound, bound);
    } else if (name_ends(name, ".weight")) {
        draw_into(t, "", name, 0.5, 1.5);
    } else {
        draw_into(t, "", name, -0.3, 0.3);
    }
}

/* The norm, and the product with the array of the name "r/NAME". */
static inline void norm_and_product(const weld_tensor *t, const char *name, double *norm,
                                    double *product) {
    const uint64_t hash = drawn_hash("r/", name);
    *norm = *product = 0;
    for (int64_t i = 0; i < weld_shape_count(&t->shape); i++) {
        const double x = element_of(t, i);
        *norm += x * x;
        *product += x * (double)drawn(hash, i, -1, 1);
    }
    *norm = sqrt(*norm);
}

#endif
