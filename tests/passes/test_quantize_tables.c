/* Tables of functions of codes against NumPy's, from tests/fixtures/int8.fixture. */
#include "fixture.h"
#include "ops/ops.h"
#include "passes/quantize.h"
#include "suite.h"

static weld_value *apply(weld_graph *g, const char *name, weld_value *x) {
    return strncmp(name, "gelu", 4) == 0            ? weld_gelu(g, x)
           : strncmp(name, "silu", 4) == 0          ? weld_silu(g, x)
           : strncmp(name, "hard_swish", 10) == 0   ? weld_hard_swish(g, x)
           : strncmp(name, "hard_sigmoid", 12) == 0 ? weld_hard_sigmoid(g, x)
                                                    : weld_sigmoid(g, x);
}

static weld_codes codes_at(const float *codes, int i) {
    return (weld_codes){codes[2 * i], (int32_t)codes[2 * i + 1]};
}

static void check_table(const weld_weights *fixture, const char *prefix) {
    weld_graph *g;
    unsigned char table[256];
    const float *codes = fixture_tensor(fixture, prefix, "codes").data;
    const float *want = fixture_tensor(fixture, prefix, "y").data;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &g, NULL), WELD_OK);
    apply(g, prefix + strlen("table/"), weld_input(g, "x", WELD_SHAPE(1, 1, 1, 1)));
    weld_quantize_table(g->nodes[0], codes_at(codes, 0), codes_at(codes, 1), table);
    for (int q = 0; q < 256; q++) {
        ck_assert_msg(table[q] == (int)want[q], "%s: %d becomes %d, not %d", prefix, q, table[q],
                      (int)want[q]);
    }
    weld_graph_free(g);
}

START_TEST(tables_are_numpys) {
    weld_weights *fixture = fixture_load("int8.fixture");
    int tables = 0;
    for (size_t i = 0; i < weld_weights_count(fixture); i++) {
        char prefix[128];
        const char *name = weld_weights_name(fixture, i), *end = strstr(name, "/codes");
        if (end && strncmp(name, "table/", 6) == 0) {
            snprintf(prefix, sizeof prefix, "%.*s", (int)(end - name) + 1, name);
            check_table(fixture, prefix);
            tables++;
        }
    }
    ck_assert_int_eq(tables, 5 * 4);
    weld_weights_free(fixture);
}
END_TEST

RUN_SUITE("passes/quantize_tables", tables_are_numpys)
