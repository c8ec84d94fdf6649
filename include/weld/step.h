/* Training a network of one's own, step by step.
 *
 * A program builds its network (weld/graph.h, weld/layers.h) as a graph for training and as one for
 * evaluation, whose parameters and buffers have the same names. A weld_step is the first with its
 * loss, its gradients and an optimizer: it is what `weld train` runs on the networks that it knows.
 *
 *     weld_step_create(training, NULL, &options, &step, &err);
 *     weld_tensor images = weld_step_input(step, "images"), target = weld_step_input(step,
 * "target"); while (weld_step_updates(step) < updates) { fill images.data and target.data
 * (weld/batches.h does so from a data set) status = weld_step_run(step, &loss, &err); status =
 * status ? status : weld_step_update(step, weld_step_rate(step), &err);
 *     }
 *     weld_model_create(evaluation, weld_step_weights(step), &names, &model, &err);
 *     weld_model_save(model, "mine.h5", &err);
 *     weld_step_free(step);
 *
 * The same steps on the same batches make the same bits, with any number of threads. A step is used
 * by one thread at a time.
 */
#ifndef WELD_STEP_H
#define WELD_STEP_H

#include "weld/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) and SGD with
 * momentum, in the arithmetic of PyTorch's, and RMSprop in that of timm's `rmsproptf`. */
typedef enum weld_method { WELD_ADAMW, WELD_SGD, WELD_RMSPROP_TF } weld_method;

/* What weight decay is for: all but parameters with one dimension (normalisation, biases) and those
 * named .bias, or everything. */
typedef enum weld_decay_on { WELD_DECAY_WEIGHTS, WELD_DECAY_ALL } weld_decay_on;

/* How gradients are clipped: all scaled so that the norm of all of them together is at most `clip`
 * (by clip / (norm + 1e-6), as PyTorch does), each brought to within +- clip, or each output's
 * limited to `clip` times the norm of its weights (Brock et al., "High-performance large-scale
 * image recognition without normalization", 2021). */
typedef enum weld_clip_mode { WELD_CLIP_NORM, WELD_CLIP_VALUE, WELD_CLIP_AGC } weld_clip_mode;

typedef struct weld_step_options {
    weld_method method;       /* WELD_ADAMW */
    double lr;                /* 1e-3 */
    double weight_decay;      /* 0.025 */
    weld_decay_on decay_on;   /* WELD_DECAY_WEIGHTS */
    double betas[2];          /* AdamW: 0.9, 0.999 */
    double eps;               /* AdamW, RMSprop: 1e-8 */
    double alpha;             /* RMSprop: 0.9; of the average of squares */
    double momentum;          /* SGD, RMSprop: 0.9 */
    bool nesterov;            /* SGD */
    double clip;              /* 0: gradients are taken as they are */
    weld_clip_mode clip_mode; /* WELD_CLIP_NORM */
    /* What weld_step_rate makes of lr. In the first `warmup` updates it rises in a line from
     * warmup_lr. Then, `updates` above 0: it falls on half a cosine, to min_lr after `updates`; or,
     * decay_updates above 0: by decay_rate after every so many. Both 0: it stays. */
    int64_t warmup, updates, decay_updates;
    double warmup_lr, min_lr, decay_rate;
    double average_decay;   /* of the moving average of all weights; 0: none is kept */
    bool average_warmup;    /* after update n it is at most 1 - n^(-2/3), as timm has it */
    double label_smoothing; /* 0.1; of the loss that is added */
    int64_t accumulate;     /* 1: runs before an update, which takes the mean of their gradients */
    weld_precision precision; /* WELD_PRECISION_FP32 */
    uint64_t seed;            /* of weights that are made anew, dropout, stochastic depth */
    int threads;              /* 0: all that the process may use */
    /* The share of the rate that a parameter learns with; 0: it is frozen, gradients are computed
     * neither for it nor through it alone. NULL: 1 for all. */
    double (*rate)(void *context, const char *parameter);
    void *context;     /* of `rate` */
    void *reserved[8]; /* NULL */
} weld_step_options;

WELD_API weld_step_options weld_step_defaults(void);

typedef struct weld_step weld_step;

/* For a network in training form, which is copied: dim[0] of its inputs is the batch. Its loss is
 * the output "loss", of one element, if the program built one (with inputs of its own choice).
 * Otherwise it is made from the output "logits" [batch, classes]: the mean over the batch of the
 * cross entropy with the input "target" [batch, classes], probabilities, smoothed.
 *
 * start: what its weights begin with, copied, as from weld_graph_init_weights or
 * weld_model_weights; NULL: made anew from the seed. options NULL: the defaults.
 *
 * WELD_ERROR_ARGUMENT: no loss and no logits; a parameter that the loss does not depend on (named);
 * an option out of its range. WELD_ERROR_SHAPE: a tensor that start has not, or of another shape.
 */
WELD_API weld_status weld_step_create(const weld_graph *network, const weld_weights *start,
                                      const weld_step_options *options, weld_step **out,
                                      weld_error *err);
WELD_API void weld_step_free(weld_step *s); /* accepts NULL */

/* An input, to be filled before every run (a run overwrites it); an output of the network, or
 * "loss"; the gradient of a parameter, by its name: of the latest run. They stay where they are
 * until the step is freed. data NULL: there is none of that name (or the parameter is frozen). */
WELD_API weld_tensor weld_step_input(const weld_step *s, const char *name);
WELD_API weld_tensor weld_step_output(const weld_step *s, const char *name);
WELD_API weld_tensor weld_step_gradient(const weld_step *s, const char *parameter);

/* Loss and gradients of what is in the inputs; batch norms move their running statistics. loss may
 * be NULL. WELD_ERROR_NUMERIC: the loss is not finite; all weights are as they were, and the run
 * does not count. WELD_ERROR_ARGUMENT: all runs of an update are done and it is not made. */
WELD_API weld_status weld_step_run(weld_step *s, double *loss, weld_error *err);
/* Why a loss was not finite: with the inputs of that run filled anew, always WELD_ERROR_NUMERIC,
 * with the first operator that makes a value that is not. */
WELD_API weld_status weld_step_explain(weld_step *s, weld_error *err);

/* The rate of the next update, as the options have it. */
WELD_API double weld_step_rate(const weld_step *s);
/* Move the weights, with this rate, by the mean of the gradients of all runs since the last update,
 * at least one. */
WELD_API weld_status weld_step_update(weld_step *s, double lr, weld_error *err);
WELD_API int64_t weld_step_updates(const weld_step *s); /* done so far */

/* The weights, which every update moves, and their moving average (NULL: none); the step's own. */
WELD_API weld_weights *weld_step_weights(const weld_step *s);
WELD_API weld_weights *weld_step_average(const weld_step *s);

/* --- Stopping and going on ---------------------------------------------------------------------
 * A snapshot is a model (see weld_model_create, which is the same without what only training needs)
 * that weld_model_save writes as a checkpoint: weights, their moving average, the optimizer's state
 * and the number of updates. The evaluation graph must have all parameters and buffers of the
 * training graph. */
WELD_API weld_status weld_step_snapshot(const weld_step *s, const weld_graph *evaluation,
                                        const weld_model_options *options, weld_model **out,
                                        weld_error *err);
/* Go on where a snapshot was made, also one that weld_model_open has read: to the same bits as if
 * nothing had been between. The step must be of the same network and options. WELD_ERROR_ARGUMENT:
 * m has no state of an optimizer, or none for these parameters, or no average where the options
 * have one; WELD_ERROR_SHAPE: it is of another network. The step is then as it was. */
WELD_API weld_status weld_step_restore(weld_step *s, const weld_model *m, weld_error *err);

#ifdef __cplusplus
}
#endif
#endif
