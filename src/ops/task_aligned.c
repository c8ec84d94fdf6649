/* Which anchors of an image are to find which object; see task_aligned.h. */
#include "ops/task_aligned.h"

#include <math.h>
#include <string.h>

#define INSIDE_EPS 1e-9
#define SCORE_EPS 1e-9

typedef struct object {
    double box[4], angle;
    int64_t class;
    bool counted;
    double most_t, most_u; /* of its positives */
} object;

typedef struct claim {
    int64_t anchor;
    double t, u;
} claim;

/* Columns of numbers, one for each anchor. */
enum { X1, Y1, X2, Y2, ANGLE, U, T, OVERLAPS, BEST_U, COLUMNS };

typedef struct image {
    const weld_run *run;
    int64_t index;
    weld_anchors anchors;
    double *column[COLUMNS]; /* U, T: of the object in `owner`; OVERLAPS: with the present one */
    int32_t *best;           /* the object of BEST_U; -1: overlaps none */
    int32_t *owner;          /* or WELD_BACKGROUND, WELD_IGNORED */
    int32_t *claimed;        /* by how many */
    object *objects;
    int64_t object_count, tiny;
    claim *claims; /* of the present object, the largest first */
    int64_t claim_count, most_claims;
    bool bad; /* what it was given */
} image;

static void *part(char *room, size_t offset) {
    return room ? room + offset : NULL;
}

/* Say where all of it is in `room`, which may be NULL; returns the bytes. */
static size_t place(const weld_run *run, char *room, image *it) {
    const weld_attributes *a = &run->node->attributes;
    const size_t anchors = (size_t)weld_anchors_of(a).count;
    const size_t rows = (size_t)run->in[WELD_ASSIGN_TARGETS].shape.dim[1];
    size_t total = 0;
    it->most_claims = a->count < (int64_t)anchors ? a->count : (int64_t)anchors;
    for (int i = 0; i < COLUMNS; i++) {
        it->column[i] = part(room, weld_reserve(&total, anchors * sizeof(double)));
    }
    it->best = part(room, weld_reserve(&total, anchors * sizeof(int32_t)));
    it->owner = part(room, weld_reserve(&total, anchors * sizeof(int32_t)));
    it->claimed = part(room, weld_reserve(&total, anchors * sizeof(int32_t)));
    it->objects = part(room, weld_reserve(&total, rows * sizeof(object)));
    it->claims = part(room, weld_reserve(&total, (size_t)it->most_claims * sizeof(claim)));
    return total;
}

size_t weld_task_aligned_bytes(const weld_run *run) {
    image it;
    return place(run, NULL, &it);
}

static double number(const image *it, int input, int64_t row, int64_t i) {
    const weld_tensor *t = &it->run->in[input];
    const int64_t rows = t->shape.dim[1], channels = t->shape.dim[2];
    return weld_get(t->dtype, t->data, (it->index * rows + row) * channels + i);
}

static void read_predictions(image *it) {
    for (int64_t a = 0; a < it->anchors.count; a++) {
        double box[4];
        for (int i = 0; i < 4; i++) {
            box[i] = it->column[X1 + i][a] = number(it, WELD_ASSIGN_BOXES, a, i);
        }
        it->column[ANGLE][a] = weld_box_angle(box);
        it->column[BEST_U][a] = 0;
        it->best[a] = -1;
        it->owner[a] = WELD_BACKGROUND;
        it->claimed[a] = 0;
    }
}

/* The box of row `row` of the targets; false where there is none. */
static bool read_box(const image *it, int64_t row, double box[4]) {
    for (int i = 0; i < 4; i++) {
        box[i] = number(it, WELD_ASSIGN_TARGETS, row, WELD_TARGET_BOX + i);
    }
    const bool has_area = box[2] > box[0] && box[3] > box[1];
    const bool unknown = isnan(box[0] + box[1] + box[2] + box[3]);
    return number(it, WELD_ASSIGN_TARGETS, row, WELD_TARGET_CLASS) >= 0 && (has_area || unknown);
}

static double kind_of(const image *it, int64_t row) {
    return number(it, WELD_ASSIGN_TARGETS, row, WELD_TARGET_KIND);
}

static void read_objects(image *it) {
    const int64_t rows = it->run->in[WELD_ASSIGN_TARGETS].shape.dim[1];
    const double classes = (double)it->run->in[WELD_ASSIGN_CLASSES].shape.dim[2];
    it->object_count = it->tiny = 0;
    for (int64_t row = 0; row < rows; row++) {
        object *o = &it->objects[it->object_count];
        const double kind = kind_of(it, row);
        if (!read_box(it, row, o->box)) {
            continue;
        }
        it->tiny += kind == WELD_TARGET_TINY;
        o->counted = kind == WELD_TARGET_OBJECT;
        if (o->counted || kind == WELD_TARGET_CUT) {
            const double class = number(it, WELD_ASSIGN_TARGETS, row, WELD_TARGET_CLASS);
            const double sum = o->box[0] + o->box[1] + o->box[2] + o->box[3];
            it->bad = it->bad || class >= classes || class != floor(class) || isnan(sum);
            o->class = class < classes ? (int64_t) class : 0;
            o->angle = weld_box_angle(o->box);
            it->object_count++;
        }
    }
}

/* --- Which anchors are within a box --- */

typedef struct range {
    int64_t begin, end;
} range;

/* Cells along an axis whose centres are within (low, high). */
static range cells_within(double low, double high, double stride, int64_t cells) {
    const double all = (double)cells;
    range r = {(int64_t)weld_smaller(weld_larger(floor(low / stride - 0.5), 0), all),
               (int64_t)weld_smaller(weld_larger(ceil(high / stride - 0.5), 0), all)};
    while (r.begin < r.end && !(((double)r.begin + 0.5) * stride - low > INSIDE_EPS)) {
        r.begin++;
    }
    while (r.end > r.begin && !(high - ((double)r.end - 0.5) * stride > INSIDE_EPS)) {
        r.end--;
    }
    return r;
}

/* Sides are at least so long. */
static void widen(double box[4], double least) {
    for (int i = 0; i < 2; i++) {
        const double missing = weld_larger(least - (box[i + 2] - box[i]), 0);
        box[i] -= missing / 2;
        box[i + 2] += missing / 2;
    }
}

/* Calls each(it, index, begin, end) for every row of anchors within the box. */
static void for_each_within(image *it, const double box[4], int64_t index,
                            void (*each)(image *it, int64_t index, int64_t begin, int64_t end)) {
    for (int l = 0; l < it->anchors.levels; l++) {
        const weld_anchor_level *level = &it->anchors.level[l];
        const range across = cells_within(box[0], box[2], level->stride, level->columns);
        const range down = cells_within(box[1], box[3], level->stride, level->rows);
        for (int64_t row = down.begin; row < down.end; row++) {
            const int64_t first = level->begin + row * level->columns;
            each(it, index, first + across.begin, first + across.end);
        }
    }
}

/* --- Who claims what --- */

/* x^e; the usual powers without the C library's, which is slow. */
static double power(double x, double e) {
    if (e == 0.5) {
        return sqrt(x);
    }
    if (e == 6) {
        const double cube = x * x * x;
        return cube * cube;
    }
    return pow(x, e);
}

static double alignment(const image *it, const object *o, int64_t anchor, double fit) {
    const double logit = number(it, WELD_ASSIGN_CLASSES, anchor, o->class);
    return power(1 / (1 + exp(-logit)), it->run->node->attributes.alpha) * fit;
}

/* Keep it among the `count` largest; of equal ones those that came before stay before. */
static void insert(image *it, claim c) {
    const int64_t most = it->most_claims;
    int64_t at = it->claim_count < most ? it->claim_count++ : most;
    for (; at > 0 && it->claims[at - 1].t < c.t; at--) {
        if (at < most) {
            it->claims[at] = it->claims[at - 1];
        }
    }
    if (at < most) {
        it->claims[at] = c;
    }
}

/* Can no alignment of this fit be among the largest? */
static bool is_too_small(const image *it, double fit) {
    return it->claim_count == it->most_claims && fit <= it->claims[it->claim_count - 1].t;
}

static void overlap_row(image *it, int64_t index, int64_t begin, int64_t end) {
    const object *o = &it->objects[index];
    const double *x1 = it->column[X1], *y1 = it->column[Y1], *x2 = it->column[X2],
                 *y2 = it->column[Y2], *angle = it->column[ANGLE];
    double *restrict u = it->column[OVERLAPS];
    for (int64_t a = begin; a < end; a++) {
        const weld_overlap overlap =
            weld_overlap_of(x1[a], y1[a], x2[a], y2[a], angle[a], o->box, o->angle);
        u[a] = weld_overlap_ciou(&overlap);
    }
}

static void consider_row(image *it, int64_t index, int64_t begin, int64_t end) {
    const double *u = it->column[OVERLAPS];
    overlap_row(it, index, begin, end);
    for (int64_t a = begin; a < end; a++) {
        if (u[a] > it->column[BEST_U][a]) {
            it->column[BEST_U][a] = u[a];
            it->best[a] = (int32_t)index;
        }
        const double fit = u[a] > 0 ? power(u[a], it->run->node->attributes.beta) : 0;
        if (fit > 0 && !is_too_small(it, fit)) {
            const double t = alignment(it, &it->objects[index], a, fit);
            it->bad = it->bad || isnan(t);
            if (t > 0) {
                insert(it, (claim){a, t, u[a]});
            }
        }
        it->bad = it->bad || isnan(u[a]);
    }
}

static void claim_anchors(image *it) {
    for (int64_t i = 0; i < it->object_count; i++) {
        double box[4];
        memcpy(box, it->objects[i].box, sizeof box);
        widen(box, it->run->node->attributes.low);
        it->claim_count = 0;
        for_each_within(it, box, i, consider_row);
        for (int64_t c = 0; c < it->claim_count; c++) {
            const claim *own = &it->claims[c];
            it->claimed[own->anchor]++;
            it->owner[own->anchor] = (int32_t)i;
            it->column[T][own->anchor] = own->t;
            it->column[U][own->anchor] = own->u;
        }
    }
}

static void settle_disputes(image *it) {
    const double beta = it->run->node->attributes.beta;
    for (int64_t a = 0; a < it->anchors.count; a++) {
        if (it->claimed[a] > 1) {
            const double u = it->column[BEST_U][a];
            it->owner[a] = it->best[a];
            it->column[U][a] = u;
            it->column[T][a] = alignment(it, &it->objects[it->best[a]], a, power(u, beta));
        }
    }
}

static void find_largest(image *it) {
    for (int64_t i = 0; i < it->object_count; i++) {
        it->objects[i].most_t = it->objects[i].most_u = 0;
    }
    for (int64_t a = 0; a < it->anchors.count; a++) {
        if (it->owner[a] >= 0) {
            object *o = &it->objects[it->owner[a]];
            o->most_t = weld_larger(o->most_t, it->column[T][a]);
            o->most_u = weld_larger(o->most_u, it->column[U][a]);
        }
    }
}

static void ignore_row(image *it, int64_t index, int64_t begin, int64_t end) {
    (void)index;
    for (int64_t a = begin; a < end; a++) {
        it->owner[a] = it->owner[a] == WELD_BACKGROUND ? WELD_IGNORED : it->owner[a];
    }
}

static void ignore_crowds(image *it) {
    double box[4];
    for (int64_t row = 0; row < it->run->in[WELD_ASSIGN_TARGETS].shape.dim[1]; row++) {
        if (read_box(it, row, box) && kind_of(it, row) == WELD_TARGET_CROWD) {
            for_each_within(it, box, 0, ignore_row);
        }
    }
}

/* --- What comes of it --- */

static void write_match(const image *it, int64_t anchor, weld_assigned_image *sum) {
    const weld_tensor *out = &it->run->out[WELD_ASSIGNED_MATCHES];
    const int64_t first = (it->index * it->anchors.count + anchor) * WELD_MATCH_SIZE;
    const int32_t owner = it->owner[anchor];
    const object *o = owner >= 0 ? &it->objects[owner] : NULL;
    const double score = o ? it->column[T][anchor] / (o->most_t + SCORE_EPS) * o->most_u : 0;
    for (int i = 0; i < 4; i++) {
        weld_set(out->dtype, out->data, first + WELD_MATCH_BOX + i, o ? o->box[i] : 0);
    }
    weld_set(out->dtype, out->data, first + WELD_MATCH_CLASS, o ? (double)o->class : owner);
    weld_set(out->dtype, out->data, first + WELD_MATCH_SCORE, score);
    sum->scores += score;
    sum->positives += o && o->counted;
}

static weld_assigned_image write_image(const image *it) {
    weld_assigned_image sum = {.objects = (double)it->tiny, .missed = (double)it->tiny};
    for (int64_t a = 0; a < it->anchors.count; a++) {
        write_match(it, a, &sum);
    }
    for (int64_t i = 0; i < it->object_count; i++) {
        const object *o = &it->objects[i];
        sum.objects += o->counted;
        sum.missed += o->counted && !(o->most_t > 0);
    }
    sum.scores = it->bad ? NAN : sum.scores;
    return sum;
}

weld_assigned_image weld_task_aligned(const weld_run *run, int64_t index, void *room) {
    image it = {.run = run, .index = index, .anchors = weld_anchors_of(&run->node->attributes)};
    place(run, room, &it);
    read_predictions(&it);
    read_objects(&it);
    claim_anchors(&it);
    settle_disputes(&it);
    find_largest(&it);
    ignore_crowds(&it);
    return write_image(&it);
}
