/* The slope of the complete IoU; see detection.h. Where two edges lie on each other, each has half
 * of what there is, as in PyTorch. */
#include <math.h>

#include "ops/detection.h"

double weld_box_angle(const double box[4]) {
    return atan(weld_larger(box[2] - box[0], 0) /
                (weld_larger(box[3] - box[1], 0) + WELD_CIOU_EPS));
}

/* How much of the slope of min(a, b) is a's. */
static double share(double a, double b) {
    return a < b ? 1 : a > b ? 0 : 0.5;
}

/* Slopes by one edge of the prediction, `end` 1 the right or lower one, at p and t: of its side and
 * of what is common and around along the axis, and of the square of the distance of the centres. */
typedef struct edge_slopes {
    double side, common, around, rho;
} edge_slopes;

static edge_slopes slopes_of(const double *p, const double *t, int axis, int end) {
    const double low = p[axis], high = p[axis + 2], t_low = t[axis], t_high = t[axis + 2];
    const double sign = end ? 1 : -1, inner = end ? share(high, t_high) : 1 - share(low, t_low);
    const bool touch = weld_smaller(high, t_high) >= weld_larger(low, t_low);
    return (edge_slopes){.side = high >= low ? sign : 0,
                         .common = touch ? sign * inner : 0,
                         .around = sign * (1 - inner),
                         .rho = -(t_low + t_high - low - high) / 2};
}

double weld_ciou(const double p[4], const double t[4], double gradient[4]) {
    const weld_overlap o =
        weld_overlap_of(p[0], p[1], p[2], p[3], weld_box_angle(p), t, weld_box_angle(t));
    for (int i = 0; i < 4; i++) {
        const bool upright = i % 2; /* edges above and below */
        const edge_slopes d = slopes_of(p, t, i % 2, i / 2);
        const double inter = d.common * (upright ? o.common_w : o.common_h);
        const double joint = d.side * (upright ? o.w : o.h) - inter;
        const double diagonal = 2 * d.around * (upright ? o.around_h : o.around_w);
        /* of atan(w / h) by w: h / (w^2 + h^2); by h: -w / (w^2 + h^2) */
        const double angle = d.side * (upright ? -o.w : o.h) / (o.w * o.w + o.h * o.h);
        gradient[i] = (inter - o.iou * joint) / o.joint -
                      (d.rho - o.rho / o.diagonal * diagonal) / o.diagonal +
                      2 * o.alpha * WELD_CIOU_ASPECT * o.turn * angle;
    }
    return weld_overlap_ciou(&o);
}
