/* Which model this is; see identity.h. */
#include "infer/identity.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "serialization/model_text.h"

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

weld_status weld_model_identity(const weld_model *m, char text[WELD_MODEL_IDENTITY_SIZE],
                                weld_error *err) {
    const double temperature = m->file.temperature;
    char *prepared;
    WELD_TRY(weld_preprocessing_to_text(&m->file.preprocessing, &prepared, err));
    XXH64_hash_t hash = XXH3_64bits(prepared, strlen(prepared));
    hash = XXH3_64bits_withSeed(&temperature, sizeof temperature, hash);
    weld_free(prepared);
    snprintf(text, WELD_MODEL_IDENTITY_SIZE, "%.48s, weights %016llx, images prepared as %016llx",
             m->file.config.name, (unsigned long long)weld_weights_hash(m->file.weights),
             (unsigned long long)hash);
    return WELD_OK;
}
