/* A training step on the network and the batches of a fixture, for tests against PyTorch: "config",
 * "images/0" .., "targets/0" .. and the weights "before/...". */
#ifndef WELD_TESTS_FIXTURE_STEP_H
#define WELD_TESTS_FIXTURE_STEP_H

#include "fixture.h"
#include "tasks/classification/loss.h"
#include "train/step.h"

typedef struct fixture_step {
    weld_model_config config;
    weld_weights *fixture, *weights;
    weld_weights *average; /* a copy of the weights, for the optimizer's; as they were if unused */
    weld_train_step *step;
} fixture_step;

/* As the fixtures' scripts train. */
static const weld_loss_options fixture_loss = {
    .values = &(const weld_classification_loss){.label_smoothing = 0.1}};
static const weld_optimizer_options fixture_adamw = {
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.025};

/* s->fixture and s->config are there. Sizes and, where there is none, the loss are the fixture's;
 * ema_decay: of s->average, 0 for none. */
static inline void fixture_step_start(fixture_step *s, weld_train_step_options o,
                                      const weld_optimizer_options *optimizer, double ema_decay) {
    weld_optimizer_options update = *optimizer;
    weld_graph *g;
    weld_error err;
    weld_tensor images = fixture_tensor(s->fixture, "images/", "0");
    o.batch = images.shape.dim[0];
    o.height = o.width = images.shape.dim[1];
    o.build_loss = weld_classification_loss_build;
    o.loss = o.loss ? o.loss : &fixture_loss;
    o.dtype = WELD_F32;
    o.optimizer = &update;
    ck_assert_msg(
        !weld_model_build(&s->config, true, o.batch, o.height, o.width, WELD_F32, &g, &err), "%s",
        err.message);
    s->weights = fixture_weights(s->fixture, "before/", g);
    weld_graph_free(g);
    ck_assert_int_eq(weld_weights_clone(s->weights, &s->average, &err), WELD_OK);
    update.ema = ema_decay > 0 ? s->average : NULL;
    update.ema_decay = ema_decay;
    ck_assert_msg(!weld_train_step_create(&s->config, &o, s->weights, &s->step, &err), "%s",
                  err.message);
}

/* Of a file of RepViT. */
static inline void fixture_step_make(fixture_step *s, const char *file, weld_train_step_options o,
                                     const weld_optimizer_options *optimizer, double ema_decay) {
    s->fixture = fixture_load(file);
    s->config = fixture_config(s->fixture);
    fixture_step_start(s, o, optimizer, ema_decay);
}

static inline void fixture_step_free(fixture_step *s) {
    weld_train_step_free(s->step);
    weld_weights_free(s->weights);
    weld_weights_free(s->average);
    weld_weights_free(s->fixture);
}

/* The fixture's batch t of so many that are used in turn. */
static inline void fixture_step_fill(fixture_step *s, int t, int batches) {
    char number[12];
    snprintf(number, sizeof number, "%d", t % batches);
    fixture_copy(s->step->images, fixture_tensor(s->fixture, "images/", number));
    fixture_copy(weld_train_step_input(s->step, "target"),
                 fixture_tensor(s->fixture, "targets/", number));
}

/* Loss and gradients in it; running statistics move. */
static inline float fixture_step_run(fixture_step *s, int t, int batches) {
    fixture_step_fill(s, t, batches);
    const float loss = (float)weld_train_step_run(s->step, (uint64_t)t + 1);
    weld_train_step_move_statistics(s->step);
    return loss;
}

static inline size_t tensor_bytes(weld_tensor t) {
    return weld_tensor_bytes(&t);
}

static inline void expect_equal_weights(const weld_weights *a, const weld_weights *b) {
    for (size_t i = 0; i < weld_weights_count(a); i++) {
        weld_tensor x = weld_weights_tensor(a, i), y = weld_weights_tensor(b, i);
        ck_assert_mem_eq(x.data, y.data, tensor_bytes(x));
    }
}

#endif
