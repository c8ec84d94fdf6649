/* Samples of kind detection; see mosaic.h. */
#include "data/mosaic.h"

#include <math.h>
#include <string.h>

#include "data/projection.h"

enum { IMAGES = 4, LAYERS = 2 };
static const double radians = 3.14159265358979323846 / 180;
_Static_assert(IMAGES *LAYERS <= WELD_SAMPLE_PARTS, "a sample has room for two mosaics");

/* --- Which images --- */

/* A layer whose first image is `first`; returns how many it has. */
static int compose_layer(const weld_augmentation *a, int64_t images, int64_t first, int layer,
                         const weld_rectangle *cell, weld_random *random, weld_sample_part *parts) {
    const int count = weld_random_uniform(random) < a->mosaic ? IMAGES : 1;
    parts[0] = (weld_sample_part){first, *cell, layer};
    for (int i = 1; i < count; i++) {
        const int64_t index = (int64_t)weld_random_below(random, (uint64_t)images);
        parts[i] = (weld_sample_part){index, *cell, layer};
    }
    return count;
}

static int compose(const void *settings, int64_t images, int height, int width, weld_random *random,
                   weld_sample_part *parts) {
    const weld_augmentation *a = settings;
    const weld_rectangle cell = {0, 0, width, height};
    int count = compose_layer(a, images, parts[0].index, 0, &cell, random, parts);
    if (weld_random_uniform(random) < a->blend) {
        const int64_t other = (int64_t)weld_random_below(random, (uint64_t)images);
        count += compose_layer(a, images, other, 1, &cell, random, parts + count);
    }
    return count;
}

weld_composition weld_mosaic_composition(const weld_augmentation *a) {
    const int most = (a->mosaic > 0 ? IMAGES : 1) * (a->blend > 0 ? LAYERS : 1);
    return (weld_composition){.most = most, .compose = compose, .settings = a};
}

/* --- Where they lie: one side, across or down --- */

/* A layer's canvas, of `length` pixels, and where it comes to lie in the sample. */
typedef struct side {
    int length;
    double scale, center;
} side;

/* An image on it: all of it would fill begin..begin+size-1, which may reach beyond the canvas. */
typedef struct span {
    int begin, size;
} span;

/* Where in the sample a point of the canvas lies. */
static double place(const side *s, int point) {
    return s->scale * (point - 0.5 * s->length) + s->center;
}

/* The first pixel whose centre is not before an edge. */
static int pixel_behind(double edge) {
    return (int)ceil(edge - 0.5);
}

/* The pixels from..from+length-1 that lie between two edges. */
static void find_cell(double low, double high, int from, int length, int *begin, int *count) {
    const int first = pixel_behind(fmax(low, from));
    const int end = pixel_behind(fmin(high, from + length));
    *begin = first;
    *count = end > first ? end - first : 0;
}

/* What of an image of `pixels`, along this side, becomes pixels begin..begin+count-1 of a sample;
 * with what the filter looks at around it. */
static void find_crop(double scale, double shift, int pixels, int begin, int count, int *first,
                      int *length) {
    const double support = 2 * fmax(1, 1 / scale) + 1; /* the wider filter's */
    const double low = floor((begin - shift) / scale - support);
    const double high = ceil((begin + count - shift) / scale + support);
    *first = (int)fmax(0, low);
    *length = (int)fmin(pixels, high) - *first;
}

/* Along axis 0 (across) or 1 (down), of an image that has `pixels` of them. */
static void place_side(const side *s, span at, int pixels, int axis, weld_sample_plan *plan) {
    const weld_rectangle *frame = &plan->frame;
    const int from = axis ? frame->y : frame->x, length = axis ? frame->height : frame->width;
    const int end = at.begin + at.size;
    weld_placement *p = &plan->at;
    int begin, count;
    p->scale[axis] = s->scale * at.size / pixels;
    p->shift[axis] = place(s, at.begin);
    p->extent[axis] = place(s, at.begin > 0 ? at.begin : 0);
    p->extent[axis + 2] = place(s, end < s->length ? end : s->length);
    find_cell(p->extent[axis], p->extent[axis + 2], from, length, &begin, &count);
    *(axis ? &plan->to.y : &plan->to.x) = begin - from;
    *(axis ? &plan->to.height : &plan->to.width) = count;
    if (count > 0) {
        find_crop(p->scale[axis], p->shift[axis], pixels, begin, count,
                  axis ? &plan->crop.y : &plan->crop.x,
                  axis ? &plan->crop.height : &plan->crop.width);
    }
}

/* --- Where they lie --- */

/* A layer: its canvas, and for mosaics the point in which images meet. */
typedef struct layer {
    side sides[2];
    bool mosaic;
    int meet[2];
    bool turned;
    double turn[9];
    weld_rectangle frame;
} layer;

/* Evenly from the middle half of a canvas of twice the sample's side, a whole number. */
static int draw_meeting(int side_length, weld_random *random) {
    return (int)weld_random_range(random, 0.5 * side_length, 1.5 * side_length);
}

/* About the point in which the canvas' centre lies: turned by degrees (anticlockwise), then
 * sheared.
 */
static void draw_turn(const weld_augmentation *a, weld_random *random, layer *l) {
    const double angle = radians * weld_random_range(random, -a->degrees, a->degrees);
    const double across = tan(radians * weld_random_range(random, -a->shear, a->shear));
    const double down = tan(radians * weld_random_range(random, -a->shear, a->shear));
    const double c = cos(angle), s = sin(angle), x = l->sides[0].center, y = l->sides[1].center;
    double *m = l->turn;
    l->turned = true;
    m[0] = c - across * s;
    m[1] = s + across * c;
    m[3] = down * c - s;
    m[4] = down * s + c;
    m[2] = x - m[0] * x - m[1] * y;
    m[5] = y - m[3] * x - m[4] * y;
    m[6] = m[7] = 0;
    m[8] = 1;
}

/* Before that in perspective, which is of pixels of the canvas. */
static void draw_perspective(const weld_augmentation *a, weld_random *random, layer *l) {
    const double x = l->sides[0].center, y = l->sides[1].center;
    double *m = l->turn;
    for (int axis = 0; axis < 2; axis++) {
        const double by = weld_random_range(random, -a->perspective, a->perspective);
        m[6 + axis] = by / l->sides[axis].scale;
    }
    const double off = -m[6] * x - m[7] * y; /* so that the centre stays where it is */
    m[8] = 1 + off;
    m[0] += x * m[6];
    m[1] += x * m[7];
    m[2] += x * off;
    m[3] += y * m[6];
    m[4] += y * m[7];
    m[5] += y * off;
}

/* What has to be drawn of a side for all of low..high to be seen, as far as there is canvas, and a
 * pixel around it for the sake of interpolation. */
static void frame_side(const side *s, double low, double high, int *begin, int *length) {
    const double canvas[2] = {place(s, 0), place(s, s->length)};
    const double first = floor(fmin(fmax(low, canvas[0]), canvas[1])) - 1;
    const double end = ceil(fmin(high, canvas[1])) + 1;
    *begin = (int)first;
    *length = end > first ? (int)(end - first) : 1;
}

/* The frame that has all that comes to lie in the sample. */
static void frame_turned(const weld_rectangle *cell, layer *l) {
    const double sample[4] = {cell->x, cell->y, cell->x + cell->width, cell->y + cell->height};
    double inverse[9], seen[4];
    weld_projection_inverse(l->turn, inverse);
    weld_projection_box(inverse, sample, seen);
    frame_side(&l->sides[0], seen[0], seen[2], &l->frame.x, &l->frame.width);
    frame_side(&l->sides[1], seen[1], seen[3], &l->frame.y, &l->frame.height);
}

static layer draw_layer(const weld_augmentation *a, const weld_rectangle *cell, int images,
                        weld_random *random) {
    layer l = {.mosaic = images > 1, .frame = *cell};
    const int lengths[2] = {cell->width, cell->height};
    for (int axis = 1; axis >= 0 && l.mosaic; axis--) {
        l.meet[axis] = draw_meeting(lengths[axis], random);
    }
    const double scale = weld_random_range(random, 1 - a->scale, 1 + a->scale);
    for (int axis = 0; axis < 2; axis++) {
        const double at = weld_random_range(random, 0.5 - a->translate, 0.5 + a->translate);
        l.sides[axis] = (side){lengths[axis] * (l.mosaic ? 2 : 1), scale, at * lengths[axis]};
    }
    if (a->degrees > 0 || a->shear > 0 || a->perspective > 0) {
        draw_turn(a, random, &l);
        if (a->perspective > 0) {
            draw_perspective(a, random, &l);
        }
        frame_turned(cell, &l);
    }
    return l;
}

/* The largest reduction that leaves the image as large as it is shown. */
static int find_reduction(const weld_placement *p) {
    const double least = fmin(1 / p->scale[0], 1 / p->scale[1]);
    return least >= 8 ? 8 : least >= 4 ? 4 : least >= 2 ? 2 : 1;
}

/* Where in the sample an image is seen. */
static weld_rectangle find_seen(const weld_sample_plan *plan, const weld_rectangle *cell) {
    weld_placement all = plan->at;
    weld_rectangle seen;
    double box[4];
    if (!all.turned) {
        return plan->to;
    }
    all.cell = *cell;
    weld_placement_box(&all, (const double[4]){0, 0, all.width, all.height}, box);
    seen.x = (int)floor(box[0]);
    seen.y = (int)floor(box[1]);
    seen.width = (int)ceil(box[2]) - seen.x;
    seen.height = (int)ceil(box[3]) - seen.y;
    return seen;
}

/* Image `number` of a layer. */
static weld_sample_plan plan_image(const layer *l, int number, const weld_rectangle *cell,
                                   weld_image_size size) {
    const weld_rectangle fitted = weld_letterbox(size.width, size.height, cell);
    weld_sample_plan plan = {
        .cell = {0, 0, l->frame.width, l->frame.height},
        .frame = l->frame,
        .at = {.width = size.width, .height = size.height, .turned = l->turned}};
    span across = {fitted.x, fitted.width}, down = {fitted.y, fitted.height};
    if (l->mosaic) {
        across.begin = l->meet[0] - (number % 2 ? 0 : across.size);
        down.begin = l->meet[1] - (number / 2 ? 0 : down.size);
    }
    memcpy(plan.at.turn, l->turn, sizeof plan.at.turn);
    place_side(&l->sides[0], across, size.width, 0, &plan);
    place_side(&l->sides[1], down, size.height, 1, &plan);
    plan.at.cell = find_seen(&plan, cell);
    plan.reduction = find_reduction(&plan.at);
    return plan;
}

/* Flip what is seen: of turned images by their turn. */
static void flip(const weld_rectangle *cell, bool hflip, bool vflip, weld_sample_plan *plan) {
    if (!plan->at.turned) {
        plan->hflip = hflip;
        plan->vflip = vflip;
        return;
    }
    if (hflip) {
        weld_placement_mirror(&plan->at, 0, cell->x, cell->width);
    }
    if (vflip) {
        weld_placement_mirror(&plan->at, 1, cell->y, cell->height);
    }
}

static int count_images(const weld_sample_part *parts, int first, int count) {
    int end = first;
    while (end < count && parts[end].layer == parts[first].layer) {
        end++;
    }
    return end - first;
}

void weld_mosaic_plan(const weld_transform *t, const weld_sample_part *parts,
                      const weld_image_size *sizes, int count, weld_random *random,
                      weld_sample_plan *plans) {
    const weld_rectangle cell = weld_transform_whole(t);
    layer l = {0};
    for (int i = 0, first = 0; i < count; i++) {
        if (i == 0 || parts[i].layer != parts[first].layer) {
            first = i;
            l = draw_layer(&t->augmentation, &cell, count_images(parts, i, count), random);
        }
        plans[i] = plan_image(&l, i - first, &cell, sizes[i]);
        plans[i].layer = parts[i].layer;
    }
    const bool vflip = weld_random_uniform(random) < t->augmentation.vflip;
    const bool hflip = weld_random_uniform(random) < t->augmentation.hflip;
    for (int i = 0; i < count; i++) {
        flip(&cell, hflip, vflip, &plans[i]);
    }
}

double weld_mosaic_share(weld_random *random) {
    return weld_random_beta(random, 32, 32);
}

void weld_mosaic_box(const weld_sample_plan *plan, const weld_decoded_part *in, float box[4]) {
    const weld_rectangle *to = &plan->to, *crop = &plan->crop;
    const int left = plan->frame.x + to->x, top = plan->frame.y + to->y;
    const int edges[4] = {left, top, left + to->width, top + to->height};
    const int corner[2] = {crop->x, crop->y}, sides[2] = {crop->width, crop->height};
    for (int i = 0; i < 4; i++) {
        const int axis = i % 2;
        const double point = (edges[i] - plan->at.shift[axis]) / plan->at.scale[axis];
        const double reduced = (double)(in->box[axis + 2] - in->box[axis]) / sides[axis];
        box[i] = (float)((double)in->box[axis] + (point - corner[axis]) * reduced);
    }
}
