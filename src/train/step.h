/* A training step: a network with its loss and gradients as one graph, the session that computes
 * it, and the optimizer that makes an update of it.
 *
 *     weld_train_step_create(&config, &options, NULL, &step, err);
 *     weld_tensor target = weld_train_step_input(step, "target");
 *     for (...) {
 *         fill step->images.data and target.data
 *         loss = weld_train_step_run(step, number);
 *         weld_train_step_move_statistics(step);
 *         weld_train_step_update(step, lr);
 *     }
 *     weld_train_step_free(step);
 */
#ifndef WELD_TRAIN_STEP_H
#define WELD_TRAIN_STEP_H

#include "data/batching.h"
#include "models/models.h"
#include "optimize/optimizer.h"
#include "passes/fake_quantize.h"
#include "passes/fuse_training.h"
#include "tasks/loss_options.h"
#include "train/batch_statistics.h"
#include "weld/model.h"

typedef struct weld_train_step_options {
    int64_t batch, height, width;
    weld_build_loss *build_loss;   /* of the task */
    const weld_loss_options *loss; /* not needed later */
    double drop_path, dropout;     /* as weld_build_mode's */
    bool bn_eval;            /* batch norms use their running statistics and leave them alone */
    weld_rate_options rates; /* frozen parts stay as they are, running statistics and all: gradients
                              * are computed neither for them nor through them */
    weld_dtype dtype;        /* WELD_F64 is for checking gradients */
    weld_fuse_options fuse;  /* off: also node by node */
    weld_segments recompute; /* of which no more than their ends is kept for the backward pass */
    weld_precision precision; /* with bf16 dtype must be WELD_F32 */
    weld_fake_bits quantize;  /* weights 0: nothing. Else the merged network is trained, rounded to
                               * codes (fake_quantize.h), in the place of the network for training;
                               * statistics are running ones, and nothing is dropped */
    int threads;              /* 0: all that the process may use */
    uint64_t seed;            /* of dropout, and of weights that are made anew */
    const char *isa;          /* as of weld_session_options */
    const char *update_isa;   /* the same, of the optimizer's kernels; NULL: `isa` */
    /* NULL: nothing is updated. Its rates and threads are the step's, its kernels update_isa's. */
    const weld_optimizer_options *optimizer;
} weld_train_step_options;

/* To be read from outside; all pointers but `images` and what `weights` hold stay as they are. */
typedef struct weld_train_step {
    weld_graph *graph;
    size_t parameter_count;
    weld_parameter_rate *rates; /* by parameter */
    const weld_kernels *kernels;
    weld_weights *weights;
    weld_session *session;
    weld_tensor images;                /* the input [batch, height, width, 3], normalised */
    weld_tensor loss;                  /* the output [1] */
    size_t loss_step;                  /* of the session, after which the loss is known... */
    double loss_known;                 /* ...and weld_clock then, in the latest run */
    weld_tensor *gradients;            /* of the latest batch, by parameter; data NULL: frozen */
    weld_batch_statistics *statistics; /* of the latest batch */
    double *block;                     /* room for those of one */
    const weld_tensor *updated; /* by parameter, what the latest update was made with; or NULL */
    weld_optimizer *optimizer;  /* or NULL */
    weld_weights *own_weights;  /* the same, where they were made anew; else NULL */
    weld_session_step_function
        after_step;                     /* to be set by whoever wants to be called after each... */
    void *after_step_context;           /* ...step of the session, likewise; else NULL */
    const struct weld_train_step *lead; /* whose optimizer it uses; NULL: its own */
} weld_train_step;

/* weights: those of the network, which must outlive the step; NULL: made anew. */
weld_status weld_train_step_create(const weld_model_config *config,
                                   const weld_train_step_options *options, weld_weights *weights,
                                   weld_train_step **out, weld_error *err);
/* Steps for batches of several shapes (in place of those of the options) that train the same
 * weights, to be run in turns: one optimizer, and one memory of activations and gradients, so
 * that a run of one leaves nothing of another's. All batches of an update are of one step, which
 * makes the update. The first is to be freed after the others. out [count]. Errors say
 * which shape it is that the network is not for. */
weld_status weld_train_steps_create(const weld_model_config *config,
                                    const weld_train_step_options *options,
                                    const weld_batch_shape *shapes, int count,
                                    weld_weights *weights, weld_train_step **out, weld_error *err);
/* The same for a network that somebody has built, before its loss. Both are taken, on errors too:
 * `network`, and a rate for each of its parameters, of weld_alloc. What options say of a network
 * (height, width, bn_eval, rates, dtype, precision) is not looked at: it is done already. Of such a
 * network nobody knows segments: recompute must be none. */
weld_status weld_train_step_create_of(weld_graph *network, weld_parameter_rate *rates,
                                      const weld_train_step_options *options, weld_weights *weights,
                                      weld_train_step **out, weld_error *err);
void weld_train_step_free(weld_train_step *s); /* accepts NULL */

/* The graph that such a step runs, which weld_train_session_options (recompute_segments.h) plans:
 * what it takes can be told without making it. */
weld_status weld_train_step_graph(const weld_model_config *config,
                                  const weld_train_step_options *options, weld_graph **out,
                                  weld_error *err);

/* An input that the loss added, to be filled before every run: the tensor stays where it is. data
 * is NULL where there is no such input. */
weld_tensor weld_train_step_input(const weld_train_step *s, const char *name);
/* An output of one element that the loss has beside "loss", after a run. */
double weld_train_step_output(const weld_train_step *s, const char *name);

/* After which step of the session the gradient of a parameter is ready; 0: it is frozen. */
size_t weld_train_step_ready(const weld_train_step *s, size_t parameter);

/* Loss and gradients of the batch in the inputs; number decides what dropout draws. The weights are
 * not written to. */
double weld_train_step_run(weld_train_step *s, uint64_t number);
/* Move running statistics by those of the latest run: after every run whose loss is finite. */
void weld_train_step_move_statistics(weld_train_step *s);

/* The same batch again, in inputs that have been filled anew, when its loss was not finite:
 * WELD_ERROR_NUMERIC with the first value that was not. */
weld_status weld_train_step_explain(weld_train_step *s, uint64_t number, weld_error *err);

/* Move the weights by the gradients of the latest batch... */
void weld_train_step_update(weld_train_step *s, double lr);
/* ...or by others, which stay until the next update: those of batches that were added up elsewhere.
 */
void weld_train_step_update_by(weld_train_step *s, const weld_tensor *gradients,
                               const weld_update_rates *rates);

/* Normal noise, the same in every call: images for a trial. */
void weld_train_step_noise(weld_tensor images);

#endif
