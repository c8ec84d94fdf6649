/* Merging into nodes: the weights that the nodes make are those of reparameterization to the bit.
 */
#include "passes/merged_cases.h"
#include "passes/merged_nodes.h"
#include "suite.h"

static void expect_made_weights(const weld_model_config *config, uint64_t seed) {
    weld_graph *g = built(config, WELD_F32);
    weld_error err;
    weld_merged_nodes nodes;
    merging m = merging_check(g, seed);
    ck_assert_msg(!weld_merged_nodes_create(g, &nodes, &err), "%s: %s", config->name, err.message);
    char *merged = merging_text(m.merged), *same = merging_text(nodes.merged);
    ck_assert_str_eq(merged, same);
    for (size_t i = 0; i < weld_weights_count(m.merged_weights); i++) {
        const char *name = weld_weights_name(m.merged_weights, i);
        const weld_value *leaf = weld_graph_find_leaf(nodes.merged, name);
        char output[300];
        snprintf(output, sizeof output, "made/%s", name);
        weld_output(nodes.graph, output,
                    leaf->dtype == WELD_F32 ? weld_cast(nodes.graph, nodes.made[leaf->id], WELD_F32)
                                            : nodes.made[leaf->id]);
    }
    weld_session *s = session_of(nodes.graph, m.weights);
    weld_session_run(s, 0);
    for (size_t i = 0; i < weld_weights_count(m.merged_weights); i++) {
        const weld_tensor want = weld_weights_tensor(m.merged_weights, i);
        char output[300];
        snprintf(output, sizeof output, "made/%s", weld_weights_name(m.merged_weights, i));
        const weld_tensor got = weld_session_output(s, output);
        ck_assert(weld_shape_equal(&got.shape, &want.shape));
        ck_assert_msg(memcmp(got.data, want.data, weld_tensor_bytes(&want)) == 0, "%s: %s",
                      config->name, output);
    }
    weld_session_free(s);
    free(merged);
    free(same);
    weld_merged_nodes_free(&nodes);
    merging_free(&m);
}

START_TEST(nodes_make_the_weights_of_reparameterization) {
    for (int i = 0; i < config_count(); i++) {
        const weld_model_config config = config_at(i);
        expect_made_weights(&config, (uint64_t)i);
    }
}
END_TEST

RUN_SUITE("passes/merged_nodes", nodes_make_the_weights_of_reparameterization)
