/* Which precision trains faster, and whether it trains the same; see auto_precision.h. */
#include "train/auto_precision.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

/* Batch norm of fewer images leaves hardly a gradient to compare. */
enum { TIMED_RUNS = 3, LEAST_IMAGES = 4 };
/* Of all images of the trial's batch: more would only take longer. */
#define MOST_PIXELS (8 * INT64_C(224) * 224)

typedef struct side {
    weld_train_graph train;
    weld_weights *weights; /* its own: running statistics change */
    weld_session *session;
    weld_tensor *gradients;
} side;

static void free_side(side *s) {
    weld_free(s->gradients);
    weld_session_free(s->session);
    weld_weights_free(s->weights);
    weld_train_graph_free(&s->train);
}

/* The same for both sides. */
static void fill_batch(weld_session *s) {
    weld_tensor images = weld_session_input(s, "images"), target = weld_session_input(s, "target");
    weld_tensor teacher = weld_session_input(s, "teacher"); /* of runs with distillation */
    weld_random r = weld_random_start(0, 0, 0, WELD_RANDOM_TEST);
    int64_t count = weld_shape_count(&images.shape), classes = target.shape.dim[1];
    for (int64_t i = 0; i < count; i++) {
        ((float *)images.data)[i] = (float)weld_random_normal(&r);
    }
    for (int64_t i = 0; i < target.shape.dim[0]; i++) {
        ((float *)target.data)[i * classes + i % classes] = 1;
        if (teacher.data) {
            ((float *)teacher.data)[i * classes + i % classes] = 1;
        }
    }
}

static weld_status make_side(const weld_model_config *config, weld_train_graph_options options,
                             weld_precision precision, int threads, side *s, weld_error *err) {
    weld_session_options run = {.threads = threads, .node_by_node = options.fuse.off};
    options.precision = precision;
    weld_status status = weld_train_graph_build(config, &options, &s->train, err);
    if (!status) {
        status = weld_graph_init_weights(s->train.graph, 0, &s->weights, err);
    }
    if (!status) {
        status = weld_session_create(s->train.graph, s->weights, &run, &s->session, err);
    }
    if (!status) {
        s->gradients = weld_alloc(s->train.parameter_count, sizeof *s->gradients);
        status = s->gradients ? weld_train_graph_gradients(&s->train, s->session, s->gradients, err)
                              : weld_fail_memory(err, "precision");
    }
    if (!status) {
        fill_batch(s->session);
    }
    return status;
}

static double loss_of(const side *s) {
    return *(const float *)weld_session_output(s->session, "loss").data;
}

static double gradients_apart(const side *a, const side *b) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a->train.parameter_count; i++) {
        const float *x = a->gradients[i].data, *y = b->gradients[i].data;
        int64_t count = x ? weld_shape_count(&a->gradients[i].shape) : 0;
        for (int64_t j = 0; j < count; j++) {
            difference += ((double)y[j] - x[j]) * ((double)y[j] - x[j]);
            norm += (double)x[j] * x[j];
        }
    }
    return sqrt(difference / norm);
}

static void run_sides(side *sides, weld_precision_trial *out) {
    for (int i = 0; i < 2; i++) {
        weld_session_run(sides[i].session, 1);
        out->loss[i] = loss_of(&sides[i]);
        out->seconds[i] = INFINITY;
    }
    out->gradients_apart = gradients_apart(&sides[0], &sides[1]);
    for (int n = 0; n < TIMED_RUNS; n++) { /* in turns: a busy moment hits both */
        for (int i = 0; i < 2; i++) {
            double begin = weld_clock();
            weld_session_run(sides[i].session, 1);
            out->seconds[i] = fmin(out->seconds[i], weld_clock() - begin);
        }
    }
}

weld_status weld_precision_try(const weld_model_config *config,
                               const weld_train_graph_options *options, int threads,
                               weld_precision_trial *out, weld_error *err) {
    weld_train_graph_options o = *options;
    int64_t most = MOST_PIXELS / (o.input_size * o.input_size);
    most = most < LEAST_IMAGES ? LEAST_IMAGES : most;
    o.batch = o.batch < most ? o.batch : most;
    side sides[2] = {{.session = NULL}, {.session = NULL}};
    weld_status status = make_side(config, o, WELD_PRECISION_FP32, threads, &sides[0], err);
    if (!status) {
        status = make_side(config, o, WELD_PRECISION_BF16, threads, &sides[1], err);
    }
    if (!status) {
        run_sides(sides, out);
    }
    free_side(&sides[0]);
    free_side(&sides[1]);
    return status;
}

weld_precision weld_precision_choose(const weld_precision_trial *trial) {
    bool faster = trial->seconds[1] <= 0.9 * trial->seconds[0];
    /* NaN and infinity compare as false. */
    bool same = fabs(trial->loss[1] - trial->loss[0]) <= 0.05 * fabs(trial->loss[0]) &&
                trial->gradients_apart <= 0.5;
    return faster && same ? WELD_PRECISION_BF16 : WELD_PRECISION_FP32;
}
