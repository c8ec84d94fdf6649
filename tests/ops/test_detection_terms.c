/* Each loss of a detector for itself, with matches that the test makes: gradients, instruction
 * sets, threads. */
#include "ops/detection.h"
#include "ops/gradcheck.h"
#include "suite.h"

enum { IMAGES = 2, ANCHORS = 21, POSITIVES = 12, IGNORED = 3 }; /* of 32 x 32 pixels */

static const weld_detection_loss_options *sizes(void) {
    static weld_detection_loss_options o;
    o = weld_detection_loss_defaults(32, 32);
    return &o;
}

static weld_value *constant_rows(weld_graph *g, weld_value *like, int64_t rows, double value) {
    return weld_fill_like(g, weld_slice(g, like, 1, 0, rows), value);
}

/* The first anchors of each image are to find objects of these corners, sizes (both [n, A, 2]) and
 * scores [n, A, 1]: of class 0, then 1; the last ones are ignored. */
static weld_value *matches_of(weld_graph *g, weld_value *corner, weld_value *size,
                              weld_value *score) {
    const int64_t rest = ANCHORS - POSITIVES - IGNORED;
    weld_value *kinds[] = {constant_rows(g, score, POSITIVES / 2, 0),
                           constant_rows(g, score, POSITIVES - POSITIVES / 2, 1),
                           constant_rows(g, score, rest, WELD_BACKGROUND),
                           constant_rows(g, score, IGNORED, WELD_IGNORED)};
    weld_value *kind = weld_concat(g, kinds, 4, 1);
    weld_value *fields[] = {corner, weld_add(g, corner, size), kind, score};
    return weld_concat(g, fields, 4, 2);
}

static const weld_shape pairs = {3, {IMAGES, ANCHORS, 2}}, singles = {3, {IMAGES, ANCHORS, 1}};

/* Leaves: corner and size of predictions; corner and size of objects, scores, divisor. */
static weld_value *box_loss(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    weld_value *ends[] = {x[0], weld_add(g, x[0], x[1])};
    return weld_detection_term(g, &weld_op_detection_box_loss, weld_concat(g, ends, 2, 2),
                               matches_of(g, x[2], x[3], x[4]), x[5], 7.5, sizes());
}

START_TEST(box_loss_is_right) {
    /* Of one aspect, so that alpha, which has no gradient, is 0: test_ciou.c has the others. */
    const check_leaf square[] = {{pairs, 0, 20, false},   {pairs, 9, 9, false},
                                 {pairs, 0, 20, true},    {pairs, 12, 12, true},
                                 {singles, 0.1, 1, true}, {WELD_SHAPE(1), 2, 3, true}};
    const check_leaf any[] = {{pairs, 0, 20, false},   {pairs, 1, 20, false},
                              {pairs, 0, 20, true},    {pairs, 2, 20, true},
                              {singles, 0.1, 1, true}, {WELD_SHAPE(1), 2, 3, true}};
    check_gradient(square, 6, box_loss, NULL);
    check_variants(any, 6, box_loss, NULL);
    check_threads(any, 6, box_loss, NULL);
}
END_TEST

/* Leaves: distances; corner and size of objects, scores, divisor. */
static weld_value *dfl_loss(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_detection_term(g, &weld_op_detection_dfl_loss, x[0],
                               matches_of(g, x[1], x[2], x[3]), x[4], 1.5, sizes());
}

START_TEST(dfl_loss_is_right) {
    for (int64_t bins = 2; bins <= 16; bins += 7) { /* objects within reach and farther away */
        const check_leaf leaves[] = {{WELD_SHAPE(IMAGES, ANCHORS, 4 * bins), -3, 3, false},
                                     {pairs, -20, 20, true},
                                     {pairs, 2, 60, true},
                                     {singles, 0.1, 1, true},
                                     {WELD_SHAPE(1), 2, 3, true}};
        check_operator(leaves, 5, dfl_loss, NULL);
    }
}
END_TEST

/* Leaves: classes; corner and size of objects, scores, divisor. */
static weld_value *class_loss(weld_graph *g, weld_value *const *x, const void *options) {
    (void)options;
    return weld_detection_term(g, &weld_op_detection_class_loss, x[0],
                               matches_of(g, x[1], x[2], x[3]), x[4], 0.5, sizes());
}

START_TEST(class_loss_is_right) {
    for (int64_t classes = 2; classes <= 40; classes += 19) {
        const check_leaf leaves[] = {{WELD_SHAPE(IMAGES, ANCHORS, classes), -6, 6, false},
                                     {pairs, 0, 20, true},
                                     {pairs, 2, 20, true},
                                     {singles, 0.1, 1, true},
                                     {WELD_SHAPE(1), 2, 3, true}};
        check_operator(leaves, 5, class_loss, NULL);
    }
}
END_TEST

RUN_SUITE("ops/detection_terms", box_loss_is_right, dfl_loss_is_right, class_loss_is_right)
