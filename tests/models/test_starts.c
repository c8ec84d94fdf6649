/* What networks start from against what their authors start them from: starts.txt has mean,
 * standard deviation and largest magnitude of what PyTorch drew for each parameter that does not
 * start as usual. */
#include <math.h>

#include "fixture.h"
#include "suite.h"

typedef struct facts {
    double mean, deviation, largest;
} facts;

static facts facts_of(const weld_tensor *t) {
    const float *x = t->data;
    const int64_t count = weld_shape_count(&t->shape);
    double sum = 0, squares = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        largest = fmax(largest, fabs(x[i]));
    }
    const double mean = sum / (double)count;
    return (facts){mean, sqrt(fmax(squares / (double)count - mean * mean, 0)), largest};
}

/* All numbers of a uniform distribution are within 1.74 deviations; of hundreds of a normal one
 * some are beyond 2. */
static bool has_tails(facts f) {
    return f.largest > 2 * f.deviation;
}

/* Drawn from the same distribution? Where they are, one in a million is refused. */
static void check_drawn(const char *of, const char *name, facts ours, facts theirs, double count) {
    const double mean = theirs.deviation * sqrt(2 / count),
                 deviation = theirs.deviation / sqrt(count);
    ck_assert_msg(fabs(ours.mean - theirs.mean) <= 5 * mean, "%s: %s starts with mean %g, not %g",
                  of, name, ours.mean, theirs.mean);
    ck_assert_msg(fabs(ours.deviation - theirs.deviation) <= 5 * deviation,
                  "%s: %s starts with deviation %g, not %g", of, name, ours.deviation,
                  theirs.deviation);
    ck_assert_msg(count < 400 || has_tails(ours) == has_tails(theirs),
                  "%s: %s starts from another kind of distribution", of, name);
}

/* Scales of normalisation start at 1 and biases at 0. */
static void check_usual(const char *of, const weld_value *v, const weld_tensor *t) {
    const size_t length = strlen(v->name);
    const bool scale =
        v->shape.rank == 1 && length > 7 && strcmp(v->name + length - 7, ".weight") == 0;
    const facts f = facts_of(t);
    ck_assert_msg(f.deviation == 0 && f.mean == scale, "%s: %s starts with mean %g, deviation %g",
                  of, v->name, f.mean, f.deviation);
}

typedef struct network {
    char name[WELD_MODEL_NAME_SIZE];
    weld_graph *g;
    weld_weights *w;
    bool *seen; /* by value of the graph */
} network;

static void begin(network *n, const char *name) {
    weld_model_config config;
    weld_error err;
    snprintf(n->name, sizeof n->name, "%s", name);
    ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
    ck_assert_msg(!weld_model_build(&config, true, 1, 224, 224, WELD_F32, &n->g, &err), "%s",
                  err.message);
    ck_assert_msg(!weld_graph_init_weights(n->g, 1, &n->w, &err), "%s", err.message);
    n->seen = calloc(n->g->value_count, sizeof *n->seen);
    ck_assert_ptr_nonnull(n->seen);
}

/* Nothing that starts otherwise was left out. */
static void end(network *n) {
    for (size_t i = 0; n->g && i < n->g->value_count; i++) {
        const weld_value *v = n->g->values[i];
        weld_tensor t;
        if (v->kind == WELD_VALUE_PARAMETER && !n->seen[i]) {
            ck_assert(weld_weights_find(n->w, v->name, &t));
            check_usual(n->name, v, &t);
        }
    }
    free(n->seen);
    weld_weights_free(n->w);
    weld_graph_free(n->g);
}

static void check_parameter(network *n, const char *name, facts theirs, double count) {
    weld_tensor t;
    ck_assert_msg(weld_weights_find(n->w, name, &t), "%s has no %s", n->name, name);
    ck_assert_double_eq((double)weld_shape_count(&t.shape), count);
    for (size_t i = 0; i < n->g->value_count; i++) {
        n->seen[i] = n->seen[i] || strcmp(n->g->values[i]->name, name) == 0;
    }
    check_drawn(n->name, name, facts_of(&t), theirs, count);
}

START_TEST(networks_start_as_their_authors_start_them) {
    static network n; /* of which there is none yet */
    char of[WELD_MODEL_NAME_SIZE], name[256];
    double count;
    facts theirs;
    int networks = 0;
    FILE *in = fixture_open("starts.txt");
    while (fscanf(in, "%63s %255s %lf %lf %lf %lf", of, name, &count, &theirs.mean,
                  &theirs.deviation, &theirs.largest) == 6) {
        if (strcmp(of, n.name) != 0) {
            end(&n);
            begin(&n, of);
            networks++;
        }
        check_parameter(&n, name, theirs, count);
    }
    ck_assert(feof(in));
    end(&n);
    ck_assert_int_ge(networks, 7);
    fclose(in);
}
END_TEST

RUN_SUITE("models/starts", networks_start_as_their_authors_start_them)
