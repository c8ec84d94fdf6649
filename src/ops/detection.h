/* What the operators of a detector's loss share: where the anchors of an image are, what the
 * assigner says of each, and the measure of two boxes. The loss as a whole is weld_detection_loss
 * of weld/graph.h. */
#ifndef WELD_OPS_DETECTION_H
#define WELD_OPS_DETECTION_H

#include "ops/ops.h"

/* --- Anchors: the cells of an image, level by level and row by row in each. --------------------
 */

enum { WELD_MAX_LEVELS = WELD_DETECTION_LEVELS };

typedef struct weld_anchor_level {
    int64_t begin, rows, columns; /* the first anchor's number */
    double stride;                /* pixels from one to the next */
} weld_anchor_level;

typedef struct weld_anchors {
    weld_anchor_level level[WELD_MAX_LEVELS];
    int levels;
    int64_t count;
} weld_anchors;

/* Of a node whose attribute `shape` is [height, width, stride, ...] of the images, which
 * weld_check_anchors has seen. */
weld_anchors weld_anchors_of(const weld_attributes *a);
/* An error unless the strides divide the sides; WELD_ERROR_SHAPE unless there are `count` anchors.
 */
weld_status weld_check_anchors(const weld_attributes *a, int64_t count, weld_error *err);

typedef struct weld_anchor {
    double x, y, stride; /* centre in pixels */
} weld_anchor;
weld_anchor weld_anchor_at(const weld_anchors *anchors, int64_t i);

/* --- What the assigner says of an anchor: rows of `matches` [n, A, 6]. -------------------------
 */

enum {
    WELD_MATCH_BOX,       /* x1 y1 x2 y2 of its object in pixels; else 0 */
    WELD_MATCH_CLASS = 4, /* of its object, WELD_BACKGROUND or WELD_IGNORED */
    WELD_MATCH_SCORE,     /* how probable that class is to be; else 0 */
    WELD_MATCH_SIZE
};
enum {
    WELD_BACKGROUND = -1,
    WELD_IGNORED = -2 /* among a crowd: none of the losses knows of it */
};

static inline double weld_match(const weld_tensor *matches, int64_t row, int field) {
    return weld_get(matches->dtype, matches->data, row * WELD_MATCH_SIZE + field);
}

/* matches; then, of one element each, what the sums of the losses are divided by, and what is
 * counted. */
enum {
    WELD_ASSIGNED_MATCHES,
    WELD_ASSIGNED_DIVISOR,
    WELD_ASSIGNED_POSITIVES,
    WELD_ASSIGNED_OBJECTS,
    WELD_ASSIGNED_MISSED,
    WELD_ASSIGNED_COUNT
};

/* --- Complete IoU (Zheng et al., "Distance-IoU loss", AAAI 2020, eq. 8 to 11) of boxes x1 y1 x2
 * y2.
 *
 * IoU - rho^2 / c^2 - alpha v, at most 1. With w, h the sides (eps added to heights): IoU = inter /
 * (w h + w' h' - inter + eps), rho the distance of the centres, c^2 = cw^2 + ch^2 + eps of the
 * smallest box around both, v = 4 / pi^2 (atan(w' / h') - atan(w / h))^2, alpha = v / (v - IoU + 1
 * + eps), which is held where slopes are taken. A side that is negative counts as 0. */

#define WELD_CIOU_EPS 1e-7
#define WELD_CIOU_ASPECT (4 / (3.14159265358979323846 * 3.14159265358979323846))

static inline double weld_larger(double a, double b) {
    return a > b ? a : b;
}
static inline double weld_smaller(double a, double b) {
    return a < b ? a : b;
}

typedef struct weld_overlap {
    double w, h;                      /* of the prediction */
    double common_w, common_h, joint; /* sides of what both cover; area of what either does */
    double around_w, around_h, diagonal, rho;
    double iou, turn, alpha; /* turn: the difference of the angles of which v is made */
} weld_overlap;

/* Of a prediction and a truth t, which has an area, and the angles of both. Without branches, so
 * that loops over predictions become vectors. */
static inline weld_overlap weld_overlap_of(double x1, double y1, double x2, double y2, double angle,
                                           const double t[4], double t_angle) {
    weld_overlap o;
    o.w = weld_larger(x2 - x1, 0);
    o.h = weld_larger(y2 - y1, 0) + WELD_CIOU_EPS;
    o.common_w = weld_larger(weld_smaller(x2, t[2]) - weld_larger(x1, t[0]), 0);
    o.common_h = weld_larger(weld_smaller(y2, t[3]) - weld_larger(y1, t[1]), 0);
    o.around_w = weld_larger(x2, t[2]) - weld_smaller(x1, t[0]);
    o.around_h = weld_larger(y2, t[3]) - weld_smaller(y1, t[1]);
    const double inter = o.common_w * o.common_h;
    o.joint = o.w * o.h + (t[2] - t[0]) * (t[3] - t[1] + WELD_CIOU_EPS) - inter + WELD_CIOU_EPS;
    o.diagonal = o.around_w * o.around_w + o.around_h * o.around_h + WELD_CIOU_EPS;
    const double apart_x = (t[0] + t[2] - x1 - x2) / 2, apart_y = (t[1] + t[3] - y1 - y2) / 2;
    o.rho = apart_x * apart_x + apart_y * apart_y; /* squared */
    o.iou = inter / o.joint;
    o.turn = t_angle - angle;
    const double v = WELD_CIOU_ASPECT * o.turn * o.turn;
    o.alpha = v / (v - o.iou + (1 + WELD_CIOU_EPS));
    return o;
}

static inline double weld_overlap_ciou(const weld_overlap *o) {
    return o->iou - (o->rho / o->diagonal + o->alpha * WELD_CIOU_ASPECT * o->turn * o->turn);
}

/* The angle that aspects are compared by. */
double weld_box_angle(const double box[4]);
/* The whole, and its slope by the prediction p. */
double weld_ciou(const double p[4], const double t[4], double gradient[4]);

/* --- Builders, for tests: the nodes that weld_detection_loss is made of. -----------------------
 */

/* Returns matches; the others are further outputs of its node. */
weld_value *weld_detection_assign(weld_graph *g, weld_value *boxes, weld_value *classes,
                                  weld_value *targets, const weld_detection_loss_options *o);
/* x is boxes, distances or classes as `op` has it -> [1], times the gain. */
weld_value *weld_detection_term(weld_graph *g, const weld_op *op, weld_value *x,
                                weld_value *matches, weld_value *divisor, double gain,
                                const weld_detection_loss_options *o);

#endif
