/* Widths of RegNetY's blocks: what the numbers of a config come to, and which numbers come to what
 * tensors show. See regnety.c.
 *
 * Block j is in stage i where the rounded logarithm, to the base wm, of 1 + wa j / w0 is i. Stages
 * of given lengths so leave an interval for wa, and widths one for wm: any point of them will do.
 */
#include <math.h>

#include "models/regnety.h"

int weld_regnety_block_width(const weld_regnety *r, int j) {
    double exponent = rint(log((r->w0 + r->wa * j) / r->w0) / log(r->wm));
    double width = rint(r->w0 * pow(r->wm, exponent) / WELD_REGNETY_QUANTUM) * WELD_REGNETY_QUANTUM;
    return width <= WELD_REGNETY_MAX_WIDTH ? (int)width : 0;
}

int weld_regnety_group_width(const weld_regnety *r, int width) {
    return r->group_width < width ? r->group_width : width;
}

/* A share of what goes into the block, not of what comes out. */
int weld_regnety_squeezed(const weld_regnety *r, int in) {
    int squeezed = (int)rint(in * r->se_ratio);
    return squeezed > 1 ? squeezed : 1;
}

static int round_to_groups(const weld_regnety *r, int width) {
    int group = weld_regnety_group_width(r, width);
    if (r->group_min_ratio == 0) {
        return (int)rint((double)width / group) * group;
    }
    int rounded = (int)(width + group / 2.0) / group * group;
    return rounded < r->group_min_ratio * width ? rounded + group : rounded;
}

weld_regnety_stages weld_regnety_stages_of(const weld_regnety *r) {
    weld_regnety_stages s = {0};
    for (int j = 0, last = -1; j < r->depth; j++) {
        int width = weld_regnety_block_width(r, j);
        if (width != last && ++s.count > WELD_MAX_STAGES) {
            return s;
        }
        last = width;
        s.width[s.count - 1] = width ? round_to_groups(r, width) : 0;
        s.depth[s.count - 1]++;
    }
    return s;
}

static bool equal_stages(const weld_regnety_stages *a, const weld_regnety_stages *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

bool weld_regnety_equal(const weld_regnety *a, const weld_regnety *b) {
    const weld_regnety_stages s = weld_regnety_stages_of(a), t = weld_regnety_stages_of(b);
    bool same = a->stem_width == b->stem_width && (a->se_ratio > 0) == (b->se_ratio > 0) &&
                a->depth > 0 && equal_stages(&s, &t);
    for (int i = 0, in = a->stem_width; same && i < s.count; in = s.width[i++]) {
        same = weld_regnety_group_width(a, s.width[i]) == weld_regnety_group_width(b, s.width[i]) &&
               (a->se_ratio == 0 ||
                (weld_regnety_squeezed(a, in) == weld_regnety_squeezed(b, in) &&
                 weld_regnety_squeezed(a, s.width[i]) == weld_regnety_squeezed(b, s.width[i])));
    }
    return same;
}

/* --- The other way --------------------------------------------------------------------------- */

#define LEAST_RATIO 1.05 /* of the widths of a stage and the one before */
#define MOST_RATIO 64
#define ANY_RATIO 2 /* where there is one stage */
enum { MOST_DEPTH = 256, MOST_TRIES = 20000, MOST_SQUEEZE = 8 };

/* The number with the fewest decimals between two, 0 where there is none. */
static double roundest(double low, double high) {
    for (double unit = 1; unit <= 1e6; unit *= 10) {
        const double number = ceil(low * unit + 1e-9) / unit;
        if (number < high) {
            return number;
        }
    }
    return 0;
}

/* With this w0 and wm, a wa that makes stages so long; false: there is none. */
static bool take_growth(weld_regnety *r, const weld_regnety_stages *s) {
    double low = 0, high = INFINITY;
    for (int i = 0, j = 0; i < s->count; j += s->depth[i++]) {
        const int last = j + s->depth[i] - 1;
        low = j > 0 ? fmax(low, (pow(r->wm, i - 0.5) - 1) * r->w0 / j) : low;
        high = last > 0 ? fmin(high, (pow(r->wm, i + 0.5) - 1) * r->w0 / last) : high;
    }
    r->wa = s->count == 1 ? 0 : high == INFINITY ? ceil(low) : roundest(low, high);
    return s->count == 1 || r->wa > 0;
}

static bool makes(const weld_regnety *r, const weld_regnety_stages *s) {
    const weld_regnety_stages made = weld_regnety_stages_of(r);
    return equal_stages(&made, s);
}

/* Try all w0 that rounding makes the first stage's width, and all wm, in steps of 1 / `parts`, that
 * may make of it the second's. */
static bool find_widths(weld_regnety *r, const weld_regnety_stages *s, double parts) {
    const int room = r->group_width + WELD_REGNETY_QUANTUM;
    const int before = s->width[0] - room > 0 ? s->width[0] - room : 0;
    int tries = 0;
    for (r->w0 = (before / WELD_REGNETY_QUANTUM + 1) * WELD_REGNETY_QUANTUM;
         r->w0 <= s->width[0] + room; r->w0 += WELD_REGNETY_QUANTUM) {
        const double least = s->count > 1 ? (double)(s->width[1] - room) / r->w0 : ANY_RATIO;
        const double most = s->count > 1 ? (double)(s->width[1] + room) / r->w0 : ANY_RATIO;
        for (double n = ceil(fmax(least, LEAST_RATIO) * parts);
             n <= fmin(most, MOST_RATIO) * parts && tries < MOST_TRIES; n++, tries++) {
            r->wm = n / parts;
            if (take_growth(r, s) && makes(r, s)) {
                return true;
            }
        }
    }
    return false;
}

static int conv_seen(const weld_model_config *config, const weld_shape_index *index, int stage,
                     int b, const char *conv) {
    return weld_model_outputs_seen(config, index, "conv", "s%d.b%d.%s", stage + 1, b + 1, conv);
}

/* What the first two blocks of each stage squeeze to; 0: nothing. */
typedef struct squeezes {
    int in[WELD_MAX_STAGES][2], to[WELD_MAX_STAGES][2];
} squeezes;

static bool makes_squeezes(const weld_regnety *r, const squeezes *q) {
    bool same = true;
    for (int i = 0; i < 2 * WELD_MAX_STAGES; i++) {
        const int in = q->in[i / 2][i % 2], to = q->to[i / 2][i % 2];
        same = same && (to == 0 || weld_regnety_squeezed(r, in) == to);
    }
    return same;
}

/* The roundest share of what goes into blocks that is what is squeezed there. */
static void find_squeeze(weld_regnety *r, const weld_regnety_stages *s,
                         const weld_model_config *config, const weld_shape_index *index) {
    squeezes q = {0};
    int any = 0;
    for (int i = 0, in = r->stem_width; i < s->count; in = s->width[i++]) {
        for (int b = 0; b < 2 && b < s->depth[i]; b++) {
            q.in[i][b] = b ? s->width[i] : in;
            q.to[i][b] = weld_model_outputs_seen(config, index, "", "s%d.b%d.se.fc1", i + 1, b + 1);
            any += q.to[i][b];
        }
    }
    r->se_ratio = 0;
    for (int parts = 100; any && parts <= 10000; parts *= 10) {
        for (int n = 1; n <= MOST_SQUEEZE * parts; n++) {
            r->se_ratio = (double)n / parts;
            if (makes_squeezes(r, &q)) {
                return;
            }
        }
    }
}

void weld_regnety_see(const weld_shape_index *index, const weld_model_config *config,
                      weld_regnety *out) {
    weld_regnety r = *out;
    weld_regnety_stages s = {0};
    r.stem_width = weld_model_outputs_seen(config, index, "conv", "stem");
    for (int i = 0; i < WELD_MAX_STAGES; i++) {
        const weld_shape *spatial =
            weld_model_shape_seen(config, index, "conv", "s%d.b1.conv2", i + 1);
        const int group = spatial && spatial->rank == 4 ? (int)spatial->dim[1] : 0;
        s.width[i] = conv_seen(config, index, i, 0, "conv1");
        while (s.depth[i] < MOST_DEPTH && conv_seen(config, index, i, s.depth[i], "conv1")) {
            s.depth[i]++;
        }
        r.group_width = group > r.group_width ? group : r.group_width;
        r.depth += s.depth[i];
        s.count += s.depth[i] > 0;
    }
    find_squeeze(&r, &s, config, index);
    const bool fits = s.count > 0 && r.group_width > 0 && r.group_width <= s.width[s.count - 1] &&
                      s.width[s.count - 1] <= WELD_REGNETY_MAX_WIDTH && r.depth <= MOST_DEPTH;
    for (int way = 0; way < 4 && fits; way++) {
        r.group_min_ratio = way % 2 ? 0.9 : 0;
        if (find_widths(&r, &s, way < 2 ? 100 : 1000)) {
            *out = r;
            return;
        }
    }
    out->depth = 0;
}
