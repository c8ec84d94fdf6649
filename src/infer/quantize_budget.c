/* Layers that stay float so that no more is lost than may be; see quantizer.h.
 *
 * Noises of parts add up, and what is lost goes about with the root of their sum. So the noisiest
 * parts are made float, as many as should do by that; then it is seen what they do, and between
 * too few and enough the number is bisected.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "infer/quantizer.h"

enum { EVALUATIONS = 6 };

typedef struct search {
    weld_quantizer *q;
    int *order;        /* of parts, the noisiest first */
    int most;          /* parts that may become float */
    int fails, does;   /* the largest number that fails, the least that does; 0: none yet */
    double least_drop; /* with `fails` */
    bool *float_nodes;
} search;

/* How many parts, by the first evaluation. */
static int predict(const search *s) {
    const weld_quantizer *q = s->q;
    const double allowed = fmax(q->options->max_drop, 0) / q->standoff.drop;
    double left = 1;
    int k = 0;
    while (k < s->most && left > allowed * allowed) {
        left -= weld_parts_share(&q->parts, s->order[k++]);
    }
    return k > 0 ? k : 1;
}

/* The noisiest k parts float. */
static void set_float(search *s, int k) {
    const weld_parts *p = &s->q->parts;
    for (size_t i = 0; i < p->node_count; i++) {
        s->float_nodes[i] = s->q->float_nodes[i];
        for (int n = 0; n < k; n++) {
            s->float_nodes[i] = s->float_nodes[i] || p->of[i] == s->order[n];
        }
    }
}

static bool is_met(const weld_quantizer *q, const weld_standoff *s) {
    return s->drop <= q->options->max_drop;
}

/* Of the candidates that taken is what is known with these layers float. */
static void keep_noise(weld_quantizer *q, const weld_noises *noise) {
    for (int g = 0; g < WELD_GROUNDS; g++) {
        for (int i = 0; i < WELD_METHODS; i++) {
            const bool taken = g == q->ground && weld_quantizer_method(i) == q->method;
            q->noise[g][i] = taken ? *noise : (weld_noises){NAN, NAN};
        }
    }
}

static weld_status try(search *s, int k, weld_error *err) {
    weld_quantizer *q = s->q;
    weld_attempt attempt;
    weld_standoff standoff;
    weld_noises noise;
    set_float(s, k);
    WELD_TRY(weld_quantizer_attempt(q, s->float_nodes, &attempt, &noise, err));
    weld_status status =
        weld_standard_compare(q->standard, attempt.graph, attempt.integers, &standoff, err);
    q->evaluations++;
    if (!status && is_met(q, &standoff)) {
        weld_attempt_free(&q->best);
        q->best = attempt;
        q->best_noise = weld_noises_least(&noise);
        q->corrected = weld_noises_are_corrected(&noise);
        q->standoff = standoff;
        q->float_count = s->does = k;
        keep_noise(q, &noise);
        return WELD_OK;
    }
    weld_attempt_free(&attempt);
    if (!status) {
        s->fails = k;
        s->least_drop = standoff.drop;
    }
    return status;
}

/* The next number to try; 0: there is no more to find out. */
static int next(const search *s) {
    const int left = EVALUATIONS - s->q->evaluations;
    if (left <= 0 || (s->does ? s->does - s->fails <= 1 : s->fails >= s->most)) {
        return 0;
    }
    if (s->does) {
        return (s->fails + s->does) / 2;
    }
    const int twice = s->fails > 0 ? 2 * s->fails : predict(s);
    return left == 1 || twice > s->most ? s->most : twice;
}

static weld_status fail(const search *s, weld_error *err) {
    enum { MANY = 64, ROOM = 400 };
    const weld_quantizer *q = s->q;
    const bool few = weld_calibration_count(q->images) < MANY;
    char names[ROOM] = "";
    int told = 0;
    while (told < s->fails && strlen(names) + 140 < sizeof names) {
        weld_append(names, sizeof names, "%s%s", told ? ", " : "",
                    q->parts.parts[s->order[told]].name);
        told++;
    }
    return weld_fail(err, WELD_ERROR_NUMERIC,
                     "even with the %d noisiest parts in float (%s%s; at most half of %d become "
                     "so) the drop is %.2f points (allowed %g); nothing written; %strain with "
                     "`quantize:` or raise --max-drop",
                     s->fails, names, told < s->fails ? ", ..." : "", q->parts.count, s->least_drop,
                     q->options->max_drop, few ? "calibrate on more images, " : "");
}

weld_status weld_quantizer_meet_budget(weld_quantizer *q, weld_error *err) {
    const double allowed = q->options->max_drop;
    if (isnan(allowed) || is_met(q, &q->standoff)) {
        return WELD_OK;
    }
    search s = {.q = q,
                .order = weld_alloc((size_t)q->parts.count, sizeof *s.order),
                .float_nodes = weld_alloc(q->parts.node_count, sizeof *s.float_nodes),
                .least_drop = q->standoff.drop};
    weld_status status = WELD_OK;
    if (!s.order || !s.float_nodes) {
        status = weld_fail_memory(err, "quantising");
    } else {
        int integer = 0;
        weld_parts_rank(&q->parts, s.order);
        for (int i = 0; i < q->parts.count; i++) {
            integer += !q->parts.parts[i].is_float;
        }
        s.most = integer / 2 > 0 ? integer / 2 : integer;
    }
    for (int k; !status && (k = next(&s)) > 0;) {
        status = try(&s, k, err);
    }
    status = status ? status : s.does ? WELD_OK : fail(&s, err);
    weld_free(s.order);
    weld_free(s.float_nodes);
    return status;
}
