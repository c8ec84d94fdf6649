#include "ops/gradcheck.h"
#include "suite.h"

typedef struct options {
    int heads;
    double scale;
} options;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *o_) {
    const options *o = o_;
    return weld_attention(g, x[0], x[1], x[2], NULL, o->heads, o->scale);
}

static weld_value *build_biased(weld_graph *g, weld_value *const *x, const void *o_) {
    const options *o = o_;
    return weld_attention(g, x[0], x[1], x[2], x[3], o->heads, o->scale);
}

static void check(int64_t n, int64_t lq, int64_t lk, int heads, int64_t d, int64_t dv) {
    options o = {heads, heads == 3 ? 0.7 : 0};
    check_leaf leaves[] = {{WELD_SHAPE(n, lq, heads * d), -1, 1},
                           {WELD_SHAPE(n, lk, heads * d), -1, 1},
                           {WELD_SHAPE(n, lk, heads * dv), -1, 1},
                           {WELD_SHAPE(heads, lq, lk), -1, 1}};
    check_operator(leaves, 3, build, &o);
    check_operator(leaves, 4, build_biased, &o);
    check_operator_bf16(leaves, 3, 3, build, &o);
    check_operator_bf16(leaves, 4, 3, build_biased, &o);
}

START_TEST(attention_is_right_for_one_head_and_one_sample) {
    check(1, 5, 5, 1, 4, 4);
    check(1, 1, 3, 1, 2, 1);
}
END_TEST

START_TEST(attention_is_right_for_three_heads_and_unequal_lengths) {
    check(2, 4, 7, 3, 5, 3);
    check(2, 9, 2, 3, 1, 6);
}
END_TEST

/* Several blocks of queries, and several items; more keys than there are in a block of scores. */
START_TEST(attention_is_right_for_more_queries_than_are_taken_at_once) {
    check(2, 300, 13, 1, 3, 2);
    check(1, 26, 600, 2, 17, 33);
}
END_TEST

START_TEST(attention_adds_up_the_bias_over_more_samples_than_groups) {
    check(37, 3, 4, 2, 3, 2);
}
END_TEST

/* The bias shared by all samples gets no gradient of its own where it is a constant. */
START_TEST(attention_with_a_constant_bias_differentiates_the_rest) {
    options o = {2, 0};
    check_leaf leaves[] = {{WELD_SHAPE(2, 3, 4), -1, 1},
                           {WELD_SHAPE(2, 3, 4), -1, 1},
                           {WELD_SHAPE(2, 3, 4), -1, 1},
                           {WELD_SHAPE(2, 3, 3), -1, 1, .fixed = true}};
    check_operator(leaves, 4, build_biased, &o);
}
END_TEST

/* q = k = v: the three gradients meet in one value. */
static weld_value *build_self(weld_graph *g, weld_value *const *x, const void *o_) {
    const options *o = o_;
    return weld_attention(g, x[0], x[0], x[0], NULL, o->heads, o->scale);
}

START_TEST(attention_of_a_value_with_itself_adds_its_gradients) {
    check_operator(&(check_leaf){WELD_SHAPE(2, 4, 6), -1, 1}, 1, build_self, &(options){2, 0});
}
END_TEST

START_TEST(attention_mixes_values_by_the_softmax_of_products) {
    /* One query against itself and one other, width 1: scores 2 * 2 and 2 * 0, scale 0.5. */
    double y[2], e = exp(2);
    check_forward(WELD_SHAPE(1, 2, 1), (double[]){2, 0}, build_self, &(options){1, 0.5}, 2, y);
    ck_assert_double_eq_tol(y[0], 2 * e / (e + 1), 1e-12);
    ck_assert_double_eq_tol(y[1], 1, 1e-12);
}
END_TEST

START_TEST(attention_says_what_does_not_fit) {
    options o = {3, 0};
    check_leaf leaves[] = {
        {WELD_SHAPE(2, 4, 6)}, {WELD_SHAPE(2, 5, 6)}, {WELD_SHAPE(2, 5, 9)}, {WELD_SHAPE(3, 5, 4)}};
    check_refused(leaves, 4, build_biased, &o, "bias must be f64 [3, 4, 5], is f64 [3, 5, 4]");
    leaves[2].shape = WELD_SHAPE(2, 4, 9);
    check_refused(leaves, 3, build, &o, "v must be f64 [2, 5, 9], is f64 [2, 4, 9]");
    leaves[1].shape = WELD_SHAPE(2, 5, 3);
    check_refused(leaves, 3, build, &o, "k must be f64 [2, 5, 6]");
    o.heads = 4;
    check_refused(leaves, 3, build, &o, "q must be a multiple of 4 heads, is [2, 4, 6]");
    o.heads = 0;
    check_refused(leaves, 3, build, &o, "heads must be at least 1");
    leaves[0].shape = WELD_SHAPE(4, 6);
    o.heads = 3;
    check_refused(leaves, 3, build, &o, "q must be [batch, length, heads * width], is [4, 6]");
}
END_TEST

RUN_SUITE("ops/attention", attention_is_right_for_one_head_and_one_sample,
          attention_is_right_for_three_heads_and_unequal_lengths,
          attention_is_right_for_more_queries_than_are_taken_at_once,
          attention_adds_up_the_bias_over_more_samples_than_groups,
          attention_with_a_constant_bias_differentiates_the_rest,
          attention_of_a_value_with_itself_adds_its_gradients,
          attention_mixes_values_by_the_softmax_of_products, attention_says_what_does_not_fit)
