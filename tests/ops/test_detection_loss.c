/* The loss of a detector as a whole: batches without objects, predictions at the limits, repeated
 * images, threads, and what is refused. */
#include "base/random.h"
#include "ops/detection_net.h"
#include "suite.h"

static const char *const outputs[] = {"total",   "loss_box", "loss_class", "loss_dfl", "divisor",
                                      "matches", "dboxes",   "ddistances", "dclasses"};
enum { OUTPUTS = sizeof outputs / sizeof *outputs };

static void expect_finite(const detection_net *net) {
    for (int i = 0; i < OUTPUTS; i++) {
        const weld_tensor t = weld_session_output(net->session, outputs[i]);
        for (int64_t j = 0; j < weld_shape_count(&t.shape); j++) {
            ck_assert_msg(isfinite(check_get(&t, j)), "%s %lld is %g", outputs[i], (long long)j,
                          check_get(&t, j));
        }
    }
}

/* Each number of a leaf is one of these in turn. */
static void fill(const detection_net *net, const char *leaf, const double *values, int count) {
    const weld_tensor t = detection_get(net, leaf);
    for (int64_t i = 0; i < weld_shape_count(&t.shape); i++) {
        check_set(&t, i, values[i % count]);
    }
}

START_TEST(a_batch_of_backgrounds_has_a_class_loss_alone) {
    const detection_sizes sizes = {3, 64, 32, 16, 5, 7};
    detection_net net = detection_make(WELD_F32, &sizes, NULL, 2, NULL);
    detection_clear_targets(&net);
    fill(&net, "boxes", (double[]){0, 0, 30, 30}, 4);
    weld_session_run(net.session, 0);
    expect_finite(&net);
    const double loss = 0.5 * 3 * 42 * 5 * log(2);
    ck_assert_double_eq(detection_value(&net, "divisor", 0), 1);
    ck_assert_double_eq_tol(detection_value(&net, "loss_class", 0), loss, 1e-5 * loss);
    ck_assert_double_eq_tol(detection_value(&net, "total", 0), loss, 1e-5 * loss);
    ck_assert_double_eq(detection_value(&net, "loss_box", 0), 0);
    ck_assert_double_eq(detection_value(&net, "loss_dfl", 0), 0);
    for (int64_t i = 0; i < 42; i++) {
        ck_assert_double_eq(detection_value(&net, "dboxes", i), 0);
        ck_assert_double_eq(detection_value(&net, "ddistances", i), 0);
        ck_assert_double_eq_tol(detection_value(&net, "dclasses", i), 0.25, 1e-7);
    }
    detection_free(&net);
}
END_TEST

START_TEST(extreme_logits_and_boxes_without_area_stay_finite) {
    static const double boxes[][4] = {{8, 8, 40, 40},   {20, 20, 20, 20},   {9, 12, 9, 50},
                                      {40, 40, 10, 10}, {-1e6, 0, 1e6, 64}, {0, 1e-30, 0, 0}};
    static const double logits[][3] = {{1e4, -1e4, 1e4}, {-1e4, -1e4, -1e4}, {1e4, 1e4, 1e4}};
    const detection_sizes sizes = {1, 64, 64, 16, 3, 4};
    for (int i = 0; i < 18; i++) {
        for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
            const char *isa = weld_kernels_available(WELD_F32, v);
            detection_net net = detection_make(WELD_F32, &sizes, NULL, 1, isa);
            detection_clear_targets(&net);
            fill(&net, "boxes", boxes[i % 6], 4);
            fill(&net, "distances", logits[i / 6], 3);
            fill(&net, "classes", logits[i / 6], 3);
            detection_set(&net, "targets", 0, (double[]){0, 8, 8, 40, 40, 0});
            detection_set(&net, "targets", 1, (double[]){1, 0, 0, 3, 64, 0});
            detection_set(&net, "targets", 2, (double[]){2, 20, 20, 21, 21, 0});
            weld_session_run(net.session, 0);
            expect_finite(&net);
            detection_free(&net);
        }
    }
}
END_TEST

/* Predictions and objects as they come, with rows to spare. */
static void draw(const detection_net *net, uint64_t seed) {
    weld_random r = weld_random_start(seed, 0, 0, WELD_RANDOM_TEST);
    const weld_tensor boxes = detection_get(net, "boxes");
    const weld_tensor targets = detection_get(net, "targets");
    const weld_tensor logits[] = {detection_get(net, "distances"), detection_get(net, "classes")};
    for (int64_t row = 0; row < boxes.shape.dim[0] * boxes.shape.dim[1]; row++) {
        const double x = weld_random_range(&r, 0, 60), y = weld_random_range(&r, 0, 60);
        detection_set(
            net, "boxes", row,
            (double[]){x, y, x + weld_random_range(&r, 5, 60), y + weld_random_range(&r, 5, 60)});
    }
    for (int64_t row = 0; row < targets.shape.dim[0] * targets.shape.dim[1]; row++) {
        const double x = weld_random_range(&r, 0, 60), y = weld_random_range(&r, 0, 60);
        detection_set(net, "targets", row,
                      (double[]){(double)weld_random_below(&r, 3) - (row % 3 == 0), x, y,
                                 x + weld_random_range(&r, 2, 60), y + weld_random_range(&r, 2, 60),
                                 row % 11 == 10});
    }
    for (int l = 0; l < 2; l++) {
        for (int64_t i = 0; i < weld_shape_count(&logits[l].shape); i++) {
            check_set(&logits[l], i, weld_random_range(&r, -3, 3));
        }
    }
}

START_TEST(threads_change_no_bit) {
    const detection_sizes sizes = {5, 96, 128, 16, 3, 40};
    detection_net one = detection_make(WELD_F32, &sizes, NULL, 1, NULL);
    draw(&one, 3);
    weld_session_run(one.session, 0);
    ck_assert_double_gt(detection_value(&one, "positives", 0), 100);
    for (int threads = 2; threads <= 7; threads += 5) {
        detection_net more = detection_make(WELD_F32, &sizes, NULL, threads, NULL);
        draw(&more, 3);
        weld_session_run(more.session, 0);
        for (int i = 0; i < OUTPUTS; i++) {
            const weld_tensor a = weld_session_output(one.session, outputs[i]);
            const weld_tensor b = weld_session_output(more.session, outputs[i]);
            ck_assert_mem_eq(a.data, b.data, weld_tensor_bytes(&a));
        }
        detection_free(&more);
    }
    detection_free(&one);
}
END_TEST

static void copy_twice(const weld_tensor *from, const weld_tensor *to) {
    const int64_t count = weld_shape_count(&from->shape);
    for (int64_t i = 0; i < 2 * count; i++) {
        check_set(to, i, check_get(from, i % count));
    }
}

/* A batch that is another one twice has the same losses, and for every image half the gradient: a
 * parameter's is as the mean of those of two batches. */
START_TEST(a_batch_twice_is_as_two_batches) {
    static const char *const grads[] = {"dboxes", "ddistances", "dclasses"};
    static const char *const parts[] = {"loss_box", "loss_class", "loss_dfl"};
    const detection_sizes single = {2, 64, 64, 8, 3, 9}, twice = {4, 64, 64, 8, 3, 9};
    detection_net a = detection_make(WELD_F64, &single, NULL, 1, NULL);
    detection_net b = detection_make(WELD_F64, &twice, NULL, 1, NULL);
    draw(&a, 8);
    for (size_t i = 0; i < weld_weights_count(a.weights); i++) {
        const weld_tensor from = weld_weights_tensor(a.weights, i);
        const weld_tensor to = detection_get(&b, weld_weights_name(a.weights, i));
        copy_twice(&from, &to);
    }
    weld_session_run(a.session, 0);
    weld_session_run(b.session, 0);
    ck_assert_double_gt(detection_value(&a, "divisor", 0), 1);
    for (int i = 0; i < 3; i++) {
        const double part = detection_value(&a, parts[i], 0);
        ck_assert_double_eq_tol(detection_value(&b, parts[i], 0), part, 1e-12 * part);
        const weld_tensor x = weld_session_output(a.session, grads[i]);
        const weld_tensor y = weld_session_output(b.session, grads[i]);
        for (int64_t j = 0; j < weld_shape_count(&y.shape); j++) {
            ck_assert_double_eq_tol(check_get(&y, j),
                                    check_get(&x, j % weld_shape_count(&x.shape)) / 2, 1e-12);
        }
    }
    detection_free(&a);
    detection_free(&b);
}
END_TEST

typedef struct refusal {
    int64_t anchors, channels, target_size;
    weld_detection_loss_options options;
    const char *text;
} refusal;

static weld_value *build(weld_graph *g, weld_value *const *x, const void *options) {
    weld_detection_parts parts;
    return weld_detection_loss(g, x[0], x[1], x[2], x[3], options, &parts);
}

START_TEST(what_does_not_fit_is_refused) {
    const weld_detection_loss_options o = weld_detection_loss_defaults(32, 64);
    weld_detection_loss_options odd = o, none = o, empty = o;
    odd.height = 40;
    none.topk = 0;
    empty.strides[0] = 0;
    const refusal cases[] = {
        {42, 64, 6, odd, "images of 40 x 64 pixels (height x width) are not whole cells of 16"},
        {41, 64, 6, o, "images of 32 x 64 pixels have 42 anchors, not 41"},
        {42, 64, 5, o, "targets must be f64 [2, 9, 6], is f64 [2, 9, 5]"},
        {42, 66, 6, o, "distances have 4 times 2 to 64 bins, not 66 numbers"},
        {42, 64, 6, none, "topk has to be at least 1"},
        {42, 64, 6, empty, "there are no anchors"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const refusal *c = &cases[i];
        const check_leaf leaves[] = {{WELD_SHAPE(2, c->anchors, 4), 0, 1},
                                     {WELD_SHAPE(2, c->anchors, c->channels), 0, 1},
                                     {WELD_SHAPE(2, c->anchors, 3), 0, 1},
                                     {WELD_SHAPE(2, 9, c->target_size), 0, 1}};
        check_refused(leaves, 4, build, &c->options, c->text);
    }
}
END_TEST

RUN_SUITE("ops/detection_loss", a_batch_of_backgrounds_has_a_class_loss_alone,
          extreme_logits_and_boxes_without_area_stay_finite, threads_change_no_bit,
          a_batch_twice_is_as_two_batches, what_does_not_fit_is_refused)
