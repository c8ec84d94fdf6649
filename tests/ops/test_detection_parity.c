/* The loss of a detector against PyTorch's: which anchors are to find which object, each loss, what
 * is counted, and the gradients of all predictions. */
#include "fixture.h"
#include "ops/detection_net.h"
#include "suite.h"

/* Within `tolerance` of the largest element. */
static void expect_near(const weld_weights *fixture, const char *scene, const char *name,
                        weld_tensor have, double tolerance) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/", scene);
    const weld_tensor want = fixture_tensor(fixture, prefix, name);
    const int64_t count = weld_shape_count(&have.shape);
    ck_assert_int_eq(count, weld_shape_count(&want.shape));
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) {
        const double off = fabs(check_get(&have, i) - check_get(&want, i));
        worst = off <= worst ? worst : off; /* a NaN stays */
        largest = fmax(largest, fabs(check_get(&want, i)));
    }
    ck_assert_msg(worst <= tolerance * largest, "%s: %s is off by %g of %g", scene, name, worst,
                  largest);
}

static void copy(const weld_weights *fixture, const char *scene, const detection_net *net) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/", scene);
    for (size_t i = 0; i < weld_weights_count(net->weights); i++) {
        const weld_tensor to = weld_weights_tensor(net->weights, i);
        const weld_tensor from =
            fixture_tensor(fixture, prefix, weld_weights_name(net->weights, i));
        for (int64_t j = 0; j < weld_shape_count(&to.shape); j++) {
            check_set(&to, j, check_get(&from, j));
        }
    }
}

static detection_sizes sizes_of(const weld_weights *fixture, const char *scene) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s/", scene);
    const int64_t *size = fixture_tensor(fixture, prefix, "size").data;
    return (detection_sizes){.images = fixture_tensor(fixture, prefix, "targets").shape.dim[0],
                             .height = size[0],
                             .width = size[1],
                             .bins = fixture_tensor(fixture, prefix, "distances").shape.dim[2] / 4,
                             .classes = fixture_tensor(fixture, prefix, "classes").shape.dim[2],
                             .rows = fixture_tensor(fixture, prefix, "targets").shape.dim[1]};
}

static void check_scene(const weld_weights *fixture, const char *scene, weld_dtype dtype,
                        const char *isa, double tolerance) {
    static const char *const same[] = {"matches", "loss_box", "loss_class", "loss_dfl",
                                       "total",   "dboxes",   "ddistances", "dclasses"};
    static const char *const counts[] = {"divisor", "positives", "objects", "missed"};
    const detection_sizes sizes = sizes_of(fixture, scene);
    detection_net net = detection_make(dtype, &sizes, NULL, 2, isa);
    char prefix[32];
    copy(fixture, scene, &net);
    weld_session_run(net.session, 0);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        expect_near(fixture, scene, same[i], weld_session_output(net.session, same[i]), tolerance);
    }
    snprintf(prefix, sizeof prefix, "%s/", scene);
    const weld_tensor want = fixture_tensor(fixture, prefix, "counts");
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(detection_value(&net, counts[i], 0), check_get(&want, i),
                                tolerance * check_get(&want, 0));
    }
    detection_free(&net);
}

START_TEST(assignment_losses_and_gradients_are_as_in_pytorch) {
    static const char *const scenes[] = {"scenes", "wide", "background"};
    weld_weights *fixture = fixture_load("detection_loss.fixture");
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        check_scene(fixture, scenes[i], WELD_F64, NULL, 1e-7);
        for (int v = 0; weld_kernels_available(WELD_F32, v); v++) {
            check_scene(fixture, scenes[i], WELD_F32, weld_kernels_available(WELD_F32, v), 1e-6);
        }
    }
    weld_weights_free(fixture);
}
END_TEST

RUN_SUITE("ops/detection_parity", assignment_losses_and_gradients_are_as_in_pytorch)
