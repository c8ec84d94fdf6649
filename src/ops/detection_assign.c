/* detection_assign(boxes[n, A, 4], classes[n, A, k], targets[n, M, 6]) -> matches[n, A, 6] and four
 * of [1]: the divisor of the losses, positives, objects, and objects without a positive.
 * Which anchor is to find which object, and how sure of it to be: task-aligned assignment (Feng et
 * al., "TOOD", ICCV 2021, section 3.3, with complete IoU). None of it has a gradient. For each
 * image:
 *
 * 1. A candidate for an object is an anchor whose centre is within its box, each side of which
 * counts as at least `low` long, so that an object between the centres has candidates too.
 * 2. u = CIoU(predicted box, object), at least 0; t = p^alpha u^beta, p the predicted probability
 * of the object's class.
 * 3. Each object claims the `count` candidates of largest t, of equal ones the first; never one
 *    whose t is 0, from which nothing would be learned.
 * 4. An anchor that several objects claim goes to the one, of all in the image, of largest u, of
 *    equal ones to the first.
 * 5. Its score is t / (largest t of the object's positives + 1e-9) times the largest u of these.
 *
 * targets: class, x1, y1, x2, y2, kind. Rows of a class below 0, and boxes without area, are no
 * objects. Of kind 1, a crowd, is what only keeps the background among it from being one; of kind 2
 * a part of an object, which is as one but in no count, its positives neither; of kind 3 what is
 * counted alone, as an object without a positive. A class that the network has not, and boxes that
 * are not finite where they count, make the divisor NaN, and by it all losses. */
#include <math.h>

#include "base/error.h"
#include "ops/task_aligned.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    const weld_attributes *a = &node->attributes;
    const weld_tensor *boxes = &in[WELD_ASSIGN_BOXES], *classes = &in[WELD_ASSIGN_CLASSES],
                      *targets = &in[WELD_ASSIGN_TARGETS];
    WELD_TRY(weld_expect_rank(boxes, 3, "boxes", "[n, anchors, 4]", err));
    WELD_TRY(weld_expect_rank(classes, 3, "classes", "[n, anchors, classes]", err));
    WELD_TRY(weld_expect_rank(targets, 3, "targets", "[n, rows, 6]", err));
    const int64_t n = boxes->shape.dim[0], count = boxes->shape.dim[1];
    WELD_TRY(weld_check_anchors(a, count, err));
    WELD_TRY(weld_expect(boxes, boxes->dtype, WELD_SHAPE(n, count, 4), "boxes", err));
    WELD_TRY(weld_expect(classes, boxes->dtype, WELD_SHAPE(n, count, classes->shape.dim[2]),
                         "classes", err));
    WELD_TRY(weld_expect(targets, boxes->dtype,
                         WELD_SHAPE(n, targets->shape.dim[1], WELD_TARGET_SIZE), "targets", err));
    if (a->count < 1 || !(a->alpha >= 0) || !(a->beta >= 0) || !(a->low >= 0)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "topk has to be at least 1, alpha, beta and the least side at least 0");
    }
    for (int i = 0; i < WELD_ASSIGNED_COUNT; i++) {
        out[i] = (weld_tensor){boxes->dtype, WELD_SHAPE(1), NULL};
    }
    out[WELD_ASSIGNED_MATCHES].shape = WELD_SHAPE(n, count, WELD_MATCH_SIZE);
    return WELD_OK;
}

/* What comes of each image, then room for as many as are worked on at once. */
static size_t results_bytes(const weld_run *run) {
    const size_t images = (size_t)run->in[WELD_ASSIGN_BOXES].shape.dim[0];
    return weld_round_up(images * sizeof(weld_assigned_image), WELD_ALIGNMENT);
}

static size_t workspace(const weld_run *run) {
    return results_bytes(run) + (size_t)run->threads * weld_task_aligned_bytes(run);
}

static void assign_image(void *arg, int64_t index, int thread) {
    const weld_run *run = arg;
    char *rooms = (char *)run->workspace + results_bytes(run);
    weld_assigned_image *results = run->workspace;
    results[index] =
        weld_task_aligned(run, index, rooms + (size_t)thread * weld_task_aligned_bytes(run));
}

static void run(const weld_run *run) {
    const int64_t images = run->in[WELD_ASSIGN_BOXES].shape.dim[0];
    const weld_assigned_image *each = run->workspace;
    weld_assigned_image sum = {0};
    weld_run_items(run, images, assign_image);
    for (int64_t i = 0; i < images; i++) {
        sum.scores += each[i].scores;
        sum.positives += each[i].positives;
        sum.objects += each[i].objects;
        sum.missed += each[i].missed;
    }
    const double results[WELD_ASSIGNED_COUNT] = {
        [WELD_ASSIGNED_DIVISOR] = sum.scores < 1 ? 1 : sum.scores, /* NaN stays */
        [WELD_ASSIGNED_POSITIVES] = sum.positives,
        [WELD_ASSIGNED_OBJECTS] = sum.objects,
        [WELD_ASSIGNED_MISSED] = sum.missed};
    for (int i = WELD_ASSIGNED_DIVISOR; i < WELD_ASSIGNED_COUNT; i++) {
        weld_set(run->out[i].dtype, run->out[i].data, 0, results[i]);
    }
}

static void grad(const weld_gradient *of) {
    (void)of;
}

const weld_op weld_op_detection_assign = {
    .name = "detection_assign",
    .inputs = {3, 3},
    .outputs = WELD_ASSIGNED_COUNT,
    .attributes =
        WELD_ATTR_SHAPE | WELD_ATTR_COUNT | WELD_ATTR_ALPHA | WELD_ATTR_BETA | WELD_ATTR_LOW,
    .types = WELD_TYPES_FLOAT,
    .traits = WELD_OP_TRAINING_ONLY,
    .infer = infer,
    .grad = grad,
    .cpu = {.workspace = workspace, .run = run},
};
