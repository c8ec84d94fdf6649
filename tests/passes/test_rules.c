/* The rules on blocks of other families, and on look-alikes that must be left alone. */
#include "passes/merging.h"
#include "suite.h"

/* A network under construction: x is where it has come to. */
typedef struct net {
    weld_graph *g;
    weld_value *x;
} net;

static net net_create(int64_t channels, int64_t height, int64_t width) {
    net n;
    weld_error err;
    ck_assert_int_eq(weld_graph_create(WELD_F32, &n.g, &err), WELD_OK);
    n.x = weld_input(n.g, "x", WELD_SHAPE(2, height, width, channels));
    return n;
}

static const weld_init one = {.kind = WELD_INIT_CONSTANT, .a = 1};

static weld_value *leaf(net *n, const char *module, const char *part, weld_shape shape) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", module, part);
    return weld_parameter(n->g, name, shape, one);
}

typedef struct window {
    int kernel[2], stride, padding[2], groups, dilation;
    bool same;
} window;

/* A square kernel with padding kernel / 2. */
static window square(int kernel, int stride, int groups) {
    return (window){{kernel, kernel}, stride, {kernel / 2, kernel / 2}, groups, 1};
}

static weld_value *conv(net *n, const char *name, weld_value *x, int64_t out, window w,
                        bool with_bias) {
    weld_shape in = weld_value_shape(x);
    weld_shape shape = WELD_SHAPE(out, in.dim[3] / w.groups, w.kernel[0], w.kernel[1]);
    weld_conv2d_options options = {.stride = {w.stride, w.stride},
                                   .padding = {w.padding[0], w.padding[1]},
                                   .groups = w.groups,
                                   .dilation = {w.dilation, w.dilation},
                                   .same = w.same};
    weld_value *weight = leaf(n, name, "weight", shape);
    weld_value *bias = with_bias ? leaf(n, name, "bias", WELD_SHAPE(out)) : NULL;
    return weld_conv2d(n->g, x, weight, bias, options);
}

static weld_value *norm_as(net *n, const char *name, weld_value *x, bool training) {
    char tracked[96];
    weld_shape shape = weld_value_shape(x);
    weld_shape c = WELD_SHAPE(shape.dim[shape.rank - 1]), scalar = {.rank = 0};
    weld_init zero = {.kind = WELD_INIT_CONSTANT};
    snprintf(tracked, sizeof tracked, "%s.num_batches_tracked", name);
    weld_batch_norm_leaves leaves = {.weight = leaf(n, name, "weight", c),
                                     .bias = leaf(n, name, "bias", c),
                                     .running_mean = leaf(n, name, "running_mean", c),
                                     .running_var = leaf(n, name, "running_var", c),
                                     .num_batches_tracked =
                                         weld_buffer(n->g, tracked, WELD_I64, scalar, zero)};
    return weld_batch_norm(n->g, x, leaves, 1e-5, 0.1, training);
}

static weld_value *norm(net *n, const char *name, weld_value *x) {
    return norm_as(n, name, x, false);
}

static weld_value *conv_norm(net *n, const char *name, weld_value *x, int64_t out, window w) {
    char c[64], bn[64];
    snprintf(c, sizeof c, "%s.c", name);
    snprintf(bn, sizeof bn, "%s.bn", name);
    return norm(n, bn, conv(n, c, x, out, w, false));
}

static weld_value *linear(net *n, const char *name, weld_value *x, int64_t out, bool with_bias) {
    weld_value *weight = leaf(n, name, "weight", WELD_SHAPE(out, weld_value_shape(x).dim[1]));
    weld_value *bias = with_bias ? leaf(n, name, "bias", WELD_SHAPE(out)) : NULL;
    return weld_linear(n->g, x, weight, bias);
}

static weld_value *pooled(net *n, weld_value *x) {
    weld_shape shape = weld_value_shape(x);
    x = weld_global_avg_pool(n->g, x);
    return weld_reshape(n->g, x, WELD_SHAPE(shape.dim[0], shape.dim[3]));
}

static weld_value *add(net *n, weld_value *a, weld_value *b) {
    return weld_add(n->g, a, b);
}

/* Finish with output y; the merged network must have this many nodes. Returns it for a closer look.
 */
static merging finish(net *n, weld_value *y, size_t nodes) {
    weld_output(n->g, "y", y);
    merging m = merging_check(n->g, 5);
    ck_assert_uint_eq(m.merged->node_count, nodes);
    return m;
}

static void expect_nodes(net *n, weld_value *y, size_t nodes) {
    merging m = finish(n, y, nodes);
    merging_free(&m);
}

static void expect_untouched(net *n, weld_value *y) {
    expect_nodes(n, y, n->g->node_count);
}

/* --- Blocks of other families ----------------------------------------------------------------- */

/* RepVGG (Ding et al. 2021): 3x3, 1x1 and, where the shape allows, a batch norm alone. */
static weld_value *repvgg(net *n, const char *name, weld_value *x, int64_t out, int stride,
                          int groups) {
    char part[3][48];
    static const char *const parts[] = {"dense", "pointwise", "identity"};
    for (int i = 0; i < 3; i++) {
        snprintf(part[i], sizeof part[i], "%s.%s", name, parts[i]);
    }
    weld_value *y = add(n, conv_norm(n, part[0], x, out, square(3, stride, groups)),
                        conv_norm(n, part[1], x, out, square(1, stride, groups)));
    bool keeps = stride == 1 && out == weld_value_shape(x).dim[3];
    return weld_relu(n->g, keeps ? add(n, y, norm(n, part[2], x)) : y);
}

START_TEST(repvgg_blocks_become_one_convolution_each) {
    net n = net_create(3, 13, 10);
    weld_value *y = repvgg(&n, "stem", n.x, 12, 2, 1);
    y = repvgg(&n, "one", y, 12, 1, 1);
    y = repvgg(&n, "two", y, 12, 1, 4);
    y = repvgg(&n, "three", y, 20, 2, 2);
    merging m = finish(&n, y, 8);
    ck_assert_str_eq(weld_weights_name(m.merged_weights, 2), "one.weight");
    ck_assert_str_eq(weld_weights_name(m.merged_weights, 3), "one.bias");
    merging_free(&m);
}
END_TEST

/* MobileOne (Vasu et al. 2023): several 3x3, a 1x1 and a batch norm, depthwise, then pointwise. */
START_TEST(mobileone_blocks_become_one_convolution_each) {
    static const char *const names[] = {"b.0", "b.1", "b.2", "b.3"};
    net n = net_create(10, 9, 9);
    weld_value *y = norm(&n, "b.skip", n.x);
    for (int i = 0; i < 4; i++) {
        y = add(&n, y, conv_norm(&n, names[i], n.x, 10, square(3, 1, 10)));
    }
    y = weld_relu(n.g, add(&n, conv_norm(&n, "b.scale", n.x, 10, square(1, 1, 10)), y));
    weld_value *z = add(&n, conv_norm(&n, "p.0", y, 10, square(1, 1, 1)), norm(&n, "p.skip", y));
    z = add(&n, z, conv_norm(&n, "p.1", y, 10, square(1, 1, 1)));
    expect_nodes(&n, z, 3);
}
END_TEST

START_TEST(kernels_of_many_sizes_are_laid_over_each_other_by_their_centres) {
    net n = net_create(6, 11, 8);
    weld_value *y = add(&n, conv(&n, "a", n.x, 6, square(1, 1, 2), true),
                        conv(&n, "b", n.x, 6, square(5, 1, 2), false));
    window wide = {{1, 7}, 1, {0, 3}, 2}, tall = {{3, 1}, 1, {1, 0}, 2};
    weld_value *z = add(&n, conv(&n, "c", n.x, 6, wide, true), conv(&n, "d", n.x, 6, tall, true));
    y = add(&n, add(&n, n.x, y), add(&n, z, n.x));
    merging m = finish(&n, y, 1);
    weld_shape want = WELD_SHAPE(6, 3, 5, 7), got = m.merged->nodes[0]->inputs[1]->shape;
    ck_assert(weld_shape_equal(&want, &got));
    merging_free(&m);
}
END_TEST

/* Without padding, the small kernel looks at the centre of the large one's window all the same. */
START_TEST(centres_may_agree_with_less_padding_than_half_the_kernel) {
    net n = net_create(4, 9, 9);
    window large = {{5, 5}, 2, {1, 1}, 1}, little = {{3, 3}, 2, {0, 0}, 1};
    expect_nodes(
        &n, add(&n, conv(&n, "a", n.x, 5, little, false), conv(&n, "b", n.x, 5, large, true)), 1);
}
END_TEST

START_TEST(kernels_of_the_same_dilation_merge_and_of_others_do_not) {
    const window large = {{5, 5}, 1, {4, 4}, 1, 2}, little = {{3, 1}, 1, {2, 0}, 1, 2};
    const window dense = {{3, 3}, 1, {1, 1}, 1, 1}, wide = {{3, 3}, 1, {2, 2}, 1, 2};
    net n = net_create(4, 11, 9);
    expect_nodes(
        &n,
        add(&n, n.x,
            add(&n, conv(&n, "a", n.x, 4, little, false), conv(&n, "b", n.x, 4, large, true))),
        1);
    n = net_create(4, 11, 9);
    expect_untouched(
        &n, add(&n, conv(&n, "a", n.x, 4, dense, true), conv(&n, "b", n.x, 4, wide, true)));
}
END_TEST

/* Where the centre of a kernel lies depends on the size of the input. */
START_TEST(same_padding_allows_a_norm_behind_it_alone) {
    const window same = {{3, 3}, 2, {0, 0}, 1, 1, .same = true}, dot = {{1, 1}, 2, {0, 0}, 1, 1};
    net n = net_create(4, 8, 7);
    expect_nodes(&n, norm(&n, "bn", conv(&n, "a", n.x, 4, same, false)), 1);
    n = net_create(4, 8, 7);
    expect_untouched(&n,
                     add(&n, conv(&n, "a", n.x, 4, same, true), conv(&n, "b", n.x, 4, dot, true)));
    n = net_create(4, 8, 7);
    expect_untouched(&n, conv(&n, "a", norm(&n, "bn", n.x), 4, same, true));
}
END_TEST

START_TEST(what_cannot_merge_stays_in_the_sum) {
    net n = net_create(8, 6, 6);
    weld_value *other = weld_gelu(n.g, n.x);
    weld_value *y = add(&n, conv(&n, "a", n.x, 8, square(3, 1, 1), false), other);
    y = add(&n, y, conv(&n, "b", other, 8, square(3, 1, 8), true));
    y = add(&n, y, conv(&n, "c", n.x, 8, square(1, 1, 1), true));
    y = add(&n, y, conv(&n, "d", other, 8, square(1, 1, 8), true));
    /* gelu; a + c; b + d + other; their sum */
    expect_nodes(&n, y, 4);
}
END_TEST

START_TEST(batch_norm_folds_into_layers_before_and_linear_layers_after_it) {
    net n = net_create(7, 5, 5);
    weld_value *y = norm(&n, "n0", conv(&n, "c", n.x, 12, square(3, 1, 1), true));
    y = linear(&n, "l0", norm(&n, "n1", pooled(&n, y)), 9, false);
    y = linear(&n, "l1", weld_relu(n.g, norm(&n, "n2", y)), 6, true);
    /* convolution, pooling, reshaping, two linear layers, relu */
    expect_nodes(&n, norm(&n, "n3", y), 6);
}
END_TEST

START_TEST(batch_norm_folds_into_a_convolution_without_padding_after_it) {
    const window patches = {{2, 2}, 2, {0, 0}, 3, 1}, point = square(1, 1, 1);
    net n = net_create(6, 8, 6);
    weld_value *y = norm(&n, "n1", weld_relu(n.g, n.x));
    y = norm(&n, "n2", weld_relu(n.g, conv(&n, "c1", y, 9, patches, false)));
    y = conv(&n, "c2", y, 4, point, true);
    expect_nodes(&n, y, 4); /* relu, convolution, relu, convolution */
}
END_TEST

/* Padding is zero after the batch norm, and something else before it. */
START_TEST(batch_norm_before_a_convolution_with_padding_stays) {
    net n = net_create(5, 7, 7);
    weld_value *y = norm(&n, "n", weld_relu(n.g, n.x));
    expect_untouched(&n, conv(&n, "c", y, 4, square(3, 1, 1), true));
    n = net_create(5, 7, 7);
    y = norm(&n, "n", weld_relu(n.g, n.x));
    expect_untouched(&n, conv(&n, "c", y, 4, (window){{1, 3}, 1, {0, 1}, 1, 1}, true));
}
END_TEST

START_TEST(batch_norm_folds_into_what_is_before_it_rather_than_after) {
    net n = net_create(5, 7, 7);
    weld_value *y = conv_norm(&n, "a", n.x, 6, square(3, 1, 1));
    merging m = finish(&n, conv(&n, "b", y, 4, square(1, 1, 1), false), 2);
    ck_assert_uint_eq(weld_weights_count(m.merged_weights), 3); /* the second has no bias */
    merging_free(&m);
}
END_TEST

START_TEST(averaged_linear_heads_become_one) {
    net n = net_create(7, 5, 5);
    weld_value *x = pooled(&n, n.x);
    weld_value *y = add(&n, linear(&n, "h.a.l", norm(&n, "h.a.bn", x), 7, true),
                        weld_scale(n.g, linear(&n, "h.b.l", x, 7, false), 3));
    y = weld_scale(n.g, add(&n, add(&n, y, x), norm(&n, "h.c", x)), 1.0 / 3);
    merging m = finish(&n, y, 3);
    ck_assert_uint_eq(weld_weights_count(m.merged_weights), 2);
    ck_assert_str_eq(weld_weights_name(m.merged_weights, 0), "h.weight");
    merging_free(&m);
}
END_TEST

START_TEST(a_scale_adds_no_bias) {
    net n = net_create(7, 5, 5);
    weld_value *y = weld_scale(n.g, conv(&n, "c", n.x, 4, square(3, 2, 1), false), -2.5);
    merging m = finish(&n, y, 1);
    ck_assert_uint_eq(weld_weights_count(m.merged_weights), 1);
    merging_free(&m);
}
END_TEST

START_TEST(an_affine_map_of_channels_folds_into_the_layer_before) {
    net n = net_create(7, 5, 5);
    weld_value *gamma = leaf(&n, "gamma", "scale", WELD_SHAPE(7));
    weld_value *y = weld_affine(n.g, conv(&n, "c", n.x, 7, square(3, 1, 1), false), gamma, NULL);
    merging m = finish(&n, add(&n, n.x, y), 1);
    ck_assert_uint_eq(weld_weights_count(m.merged_weights), 1);
    merging_free(&m);
    n = net_create(7, 5, 5);
    y = linear(&n, "l", pooled(&n, n.x), 4, false);
    y = weld_affine(n.g, y, leaf(&n, "a", "scale", WELD_SHAPE(4)),
                    leaf(&n, "a", "shift", WELD_SHAPE(4)));
    expect_nodes(&n, y, 3);
}
END_TEST

/* A factor that two layers share has no one layer to go to. */
START_TEST(a_shared_factor_of_channels_is_left_alone) {
    net n = net_create(7, 5, 5);
    weld_value *gamma = leaf(&n, "gamma", "scale", WELD_SHAPE(7));
    weld_value *y = weld_affine(n.g, conv(&n, "a", n.x, 7, square(3, 1, 1), false), gamma, NULL);
    y = weld_affine(n.g, conv(&n, "b", weld_relu(n.g, y), 7, square(3, 1, 1), true), gamma, NULL);
    expect_untouched(&n, y);
}
END_TEST

/* The module that holds both would not tell these apart. */
START_TEST(names_stay_apart_where_a_module_holds_several_layers) {
    net n = net_create(6, 5, 5);
    weld_value *y = norm(&n, "m.bn1", conv(&n, "m.conv1", n.x, 6, square(3, 1, 1), false));
    y = norm(&n, "m.bn2", conv(&n, "m.conv2", weld_relu(n.g, y), 6, square(3, 1, 1), true));
    y = norm(&n, "bn", conv(&n, "conv", weld_relu(n.g, y), 6, square(3, 1, 1), false));
    merging m = finish(&n, y, 5);
    static const char *const names[] = {"m.conv1.weight", "m.conv1.bias", "m.conv2.weight",
                                        "m.conv2.bias",   "conv.weight",  "conv.bias"};
    for (size_t i = 0; i < 6; i++) {
        ck_assert_str_eq(weld_weights_name(m.merged_weights, i), names[i]);
    }
    merging_free(&m);
}
END_TEST

/* --- Look-alikes ------------------------------------------------------------------------------ */

START_TEST(other_strides_and_groups_are_left_alone) {
    net n = net_create(4, 8, 8);
    window slow = {{5, 5}, 1, {0, 0}, 1}, fast = {{3, 3}, 2, {1, 1}, 1};
    expect_untouched(&n,
                     add(&n, conv(&n, "a", n.x, 4, slow, true), conv(&n, "b", n.x, 4, fast, true)));
    n = net_create(4, 8, 8);
    expect_untouched(&n, add(&n, conv(&n, "a", n.x, 4, square(3, 1, 1), true),
                             conv(&n, "b", n.x, 4, square(3, 1, 4), true)));
}
END_TEST

START_TEST(other_inputs_are_left_alone) {
    net n = net_create(4, 8, 8);
    weld_value *other = weld_relu(n.g, n.x);
    expect_untouched(&n, add(&n, conv(&n, "a", n.x, 4, square(3, 1, 1), true),
                             conv(&n, "b", other, 4, square(1, 1, 1), true)));
    n = net_create(4, 8, 8);
    other = weld_relu(n.g, n.x);
    weld_value *y = add(&n, conv(&n, "a", n.x, 4, square(3, 1, 1), true), other);
    expect_untouched(&n, add(&n, y, norm(&n, "n", other)));
}
END_TEST

START_TEST(values_with_other_readers_are_left_alone) {
    net n = net_create(4, 8, 8);
    weld_value *branch = conv(&n, "a", n.x, 4, square(3, 1, 1), true);
    weld_value *y = add(&n, branch, conv(&n, "b", n.x, 4, square(1, 1, 1), true));
    weld_output(n.g, "also", weld_relu(n.g, branch));
    expect_untouched(&n, y);

    n = net_create(4, 8, 8);
    branch = conv(&n, "a", n.x, 4, square(3, 1, 1), true);
    weld_output(n.g, "also", branch);
    expect_untouched(&n, weld_scale(n.g, norm(&n, "n", branch), 2));

    n = net_create(4, 8, 8);
    weld_value *both = norm(&n, "n", pooled(&n, n.x));
    expect_untouched(&n, add(&n, linear(&n, "l", both, 4, true), weld_relu(n.g, both)));
}
END_TEST

START_TEST(an_inner_sum_with_other_readers_merges_by_itself) {
    net n = net_create(4, 8, 8);
    weld_value *inner = add(&n, conv(&n, "a", n.x, 4, square(3, 1, 1), true),
                            conv(&n, "b", n.x, 4, square(1, 1, 1), true));
    weld_output(n.g, "inner", inner);
    expect_nodes(&n, add(&n, inner, conv(&n, "c", n.x, 4, square(1, 1, 1), true)), 3);
}
END_TEST

START_TEST(kernels_without_a_common_centre_are_left_alone) {
    net n = net_create(4, 9, 9);
    window centred = {{3, 3}, 3, {1, 1}, 1}, shifted = {{3, 3}, 3, {0, 0}, 1};
    expect_untouched(
        &n, add(&n, conv(&n, "a", n.x, 4, centred, true), conv(&n, "b", n.x, 4, shifted, true)));
    n = net_create(4, 8, 8);
    window even = {{2, 2}, 2, {0, 0}, 1};
    expect_untouched(&n, add(&n, conv(&n, "a", n.x, 4, even, true),
                             conv(&n, "b", n.x, 4, square(3, 2, 1), true)));
    n = net_create(4, 8, 8);
    expect_untouched(&n,
                     add(&n, conv(&n, "a", n.x, 4, even, true), conv(&n, "b", n.x, 4, even, true)));
}
END_TEST

/* A map of one element keeps its shape under any stride; the input is not a branch there. */
START_TEST(the_input_is_no_branch_of_a_convolution_with_stride) {
    net n = net_create(4, 1, 1);
    expect_untouched(&n, add(&n, conv(&n, "a", n.x, 4, square(3, 2, 1), true), n.x));
}
END_TEST

START_TEST(shared_weights_are_left_alone) {
    net n = net_create(4, 8, 8);
    weld_value *y = conv(&n, "a", n.x, 4, square(3, 1, 1), true);
    y = conv(&n, "a", weld_relu(n.g, norm(&n, "n0", y)), 4, square(3, 1, 1), true);
    expect_untouched(&n, norm(&n, "n1", y));
    n = net_create(4, 8, 8);
    y = norm(&n, "n", conv(&n, "a", n.x, 4, square(3, 1, 1), true));
    y = norm(&n, "n", conv(&n, "b", weld_relu(n.g, y), 4, square(3, 1, 1), true));
    expect_untouched(&n, y);
}
END_TEST

START_TEST(sums_without_layers_are_left_alone) {
    net n = net_create(4, 8, 8);
    expect_untouched(&n, add(&n, add(&n, n.x, norm(&n, "n", n.x)), weld_scale(n.g, n.x, 0.5)));
}
END_TEST

/* Its statistics are those of the batch, so that it is no constant map. */
START_TEST(batch_norm_in_training_is_left_alone) {
    net n = net_create(4, 8, 8);
    weld_value *y = norm_as(&n, "n", conv(&n, "a", n.x, 4, square(3, 1, 1), false), true);
    weld_graph *merged;
    weld_weights *w, *merged_weights;
    weld_error err;
    weld_output(n.g, "y", y);
    ck_assert_int_eq(weld_graph_init_weights(n.g, 1, &w, &err), WELD_OK);
    ck_assert_int_eq(weld_reparameterize(n.g, w, &merged, &merged_weights, &err), WELD_OK);
    ck_assert_uint_eq(merged->node_count, 2);
    ck_assert_int_eq(merging_count(merged, &weld_op_batch_norm), 1);
    merging_check_equal_weights(w, merged_weights);
    weld_graph_free(n.g);
    weld_graph_free(merged);
    weld_weights_free(w);
    weld_weights_free(merged_weights);
}
END_TEST

START_TEST(nodes_and_leaves_that_lead_to_no_output_are_dropped) {
    net n = net_create(4, 8, 8);
    weld_value *y = norm(&n, "n", conv(&n, "a", n.x, 4, square(3, 1, 1), false));
    conv(&n, "dead", n.x, 4, square(3, 1, 1), true);
    weld_output(n.g, "input", n.x);
    merging m = finish(&n, y, 1);
    ck_assert_uint_eq(weld_weights_count(m.merged_weights), 2);
    merging_free(&m);
}
END_TEST

RUN_SUITE("passes/rules", repvgg_blocks_become_one_convolution_each,
          mobileone_blocks_become_one_convolution_each,
          kernels_of_many_sizes_are_laid_over_each_other_by_their_centres,
          centres_may_agree_with_less_padding_than_half_the_kernel,
          kernels_of_the_same_dilation_merge_and_of_others_do_not,
          what_cannot_merge_stays_in_the_sum, same_padding_allows_a_norm_behind_it_alone,
          batch_norm_folds_into_layers_before_and_linear_layers_after_it,
          batch_norm_folds_into_a_convolution_without_padding_after_it,
          batch_norm_before_a_convolution_with_padding_stays,
          batch_norm_folds_into_what_is_before_it_rather_than_after,
          averaged_linear_heads_become_one, a_scale_adds_no_bias,
          an_affine_map_of_channels_folds_into_the_layer_before,
          a_shared_factor_of_channels_is_left_alone,
          names_stay_apart_where_a_module_holds_several_layers,
          other_strides_and_groups_are_left_alone, other_inputs_are_left_alone,
          values_with_other_readers_are_left_alone,
          an_inner_sum_with_other_readers_merges_by_itself,
          kernels_without_a_common_centre_are_left_alone,
          the_input_is_no_branch_of_a_convolution_with_stride, shared_weights_are_left_alone,
          sums_without_layers_are_left_alone, batch_norm_in_training_is_left_alone,
          nodes_and_leaves_that_lead_to_no_output_are_dropped)
