/* Networks of all families, for what is done to merged ones. */
#ifndef WELD_TESTS_PASSES_MERGED_CASES_H
#define WELD_TESTS_PASSES_MERGED_CASES_H

#include "fixture.h"
#include "passes/merging.h"
#include "repvit_config.h"

enum { SIDE = 32, BATCH = 2 };

static inline weld_graph *built(const weld_model_config *config, weld_dtype dtype) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(weld_model_build(config, false, BATCH, SIDE, SIDE, dtype, &g, &err) == WELD_OK,
                  "%s", err.message);
    return g;
}

static inline int config_count(void) {
    return 8 + FAMILY_CASES;
}

static inline weld_model_config config_at(int i) {
    static const int strides[] = {1, 2, 4};
    return i < 8 ? repvit_config(7, "8, 12, 20", "1, 2, 1", strides[i % 3], i & 1, i & 2)
                 : family_case_config(&family_cases[i - 8]);
}

static inline weld_session *session_of(const weld_graph *g, weld_weights *w) {
    weld_session *s;
    weld_error err;
    const weld_session_options options = {.threads = 2};
    ck_assert_msg(weld_session_create(g, w, &options, &s, &err) == WELD_OK, "%s", err.message);
    return s;
}

#endif
