/* src/models/families.c with one line more. */
#include "house/toy.h"
#include "models/repvit.h"

const weld_model_family *const weld_families[] = {
    &weld_family_repvit,
    &toy_family,
};
const size_t weld_family_count = sizeof weld_families / sizeof *weld_families;
