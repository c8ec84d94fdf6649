/* Where tensors stand, by name. */
#ifndef WELD_TESTS_MODELS_PLACES_H
#define WELD_TESTS_MODELS_PLACES_H

#include <check.h>

#include "models/models.h"

typedef struct expected_place {
    const char *name;
    int part, layer;
    bool per_class;
} expected_place;

static inline void expect_places(const weld_model_config *config, const expected_place *places,
                                 size_t count) {
    for (size_t i = 0; i < count; i++) {
        const weld_model_place p = weld_model_place_of(config, places[i].name);
        ck_assert_msg(p.part == places[i].part && p.layer == places[i].layer &&
                          p.per_class == places[i].per_class,
                      "%s of %s: part %d layer %d", places[i].name, config->name, p.part, p.layer);
    }
}

#endif
