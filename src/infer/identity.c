/* Which model this is; see identity.h. */
#include "infer/identity.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

uint64_t weld_weights_hash(const weld_weights *w) {
    XXH64_hash_t hash = 0;
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        const weld_tensor t = weld_weights_tensor(w, i);
        const char *name = weld_weights_name(w, i);
        hash = XXH3_64bits_withSeed(name, strlen(name), hash);
        hash = XXH3_64bits_withSeed(t.data, weld_tensor_bytes(&t), hash);
    }
    return hash;
}

/* Of all that pixels depend on, and of what outputs are divided by. */
static uint64_t hash_preparation(const weld_model *m) {
    const weld_preprocessing *p = &m->file.preprocessing;
    const double numbers[] = {p->height,
                              p->width,
                              (double)p->resize,
                              p->crop_fraction,
                              (double)p->interpolation,
                              (double)p->mean[0],
                              (double)p->mean[1],
                              (double)p->mean[2],
                              (double)p->std[0],
                              (double)p->std[1],
                              (double)p->std[2],
                              p->padding[0],
                              p->padding[1],
                              p->padding[2],
                              p->scale16,
                              m->file.temperature};
    return XXH3_64bits(numbers, sizeof numbers);
}

const char *weld_model_identity(const weld_model *m, char text[WELD_MODEL_IDENTITY_SIZE]) {
    snprintf(text, WELD_MODEL_IDENTITY_SIZE, "%.48s, weights %016llx, images prepared as %016llx",
             m->file.config.name, (unsigned long long)weld_weights_hash(m->file.weights),
             (unsigned long long)hash_preparation(m));
    return text;
}
