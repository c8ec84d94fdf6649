/* AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019), SGD with momentum
 * (sgd.h) or RMSprop (rmsprop_tf.h) over the parameters of a graph, in the arithmetic of PyTorch's
 * and timm's, with clipping of gradients and an exponential moving average of the weights, all in
 * one pass over memory; only norms take another one before.
 */
#ifndef WELD_OPTIMIZE_OPTIMIZER_H
#define WELD_OPTIMIZE_OPTIMIZER_H

#include "kernels/kernels.h"
#include "optimize/parameter_rates.h"
#include "weld/step.h"

typedef struct weld_optimizer weld_optimizer;

typedef struct weld_optimizer_options {
    weld_method method;
    double weight_decay;
    weld_decay_on decay_on;
    double beta1, beta2; /* AdamW */
    double eps;          /* AdamW, RMSprop */
    double alpha;        /* RMSprop */
    double momentum;     /* SGD, RMSprop */
    bool nesterov;       /* SGD */
    double clip;         /* 0: gradients are taken as they are */
    weld_clip_mode clip_mode;
    /* NULL, or the moving average, of all parameters and buffers by their names, which must outlive
     * the optimizer: after every update average = ema_decay average + (1 - ema_decay) weight.
     * Counters are copied. */
    weld_weights *ema;
    double ema_decay;
    /* After update n = 1, 2, ... the decay is at most 1 - n^(-2/3): little of what the average
     * started from is left (as timm's ModelEmaV3 with its use_warmup). */
    bool ema_warmup;
    /* By parameter, copied; those not trained are left alone and have no state. NULL: all are
     * trained with the rate as it is. */
    const weld_parameter_rate *rates;
    int threads; /* 0: all that the process may use; results do not depend on it */
    const weld_kernels *kernels;
} weld_optimizer_options;

/* For the parameters of g, whose values are in w; w must outlive the optimizer. */
weld_status weld_optimizer_create(const weld_graph *g, weld_weights *w,
                                  const weld_optimizer_options *options, weld_optimizer **out,
                                  weld_error *err);
void weld_optimizer_free(weld_optimizer *o);

/* What libm has computed for an update. It differs between cpus and libraries by a last bit: where
 * several processes are to make the same update, one of them says it. Of the rest of an update
 * kernels alone decide, so that those of `ref` come to the same bits on all. */
typedef struct weld_update_rates {
    double lr;
    double correction1, correction2; /* AdamW: 1 - beta1^t, 1 - beta2^t */
    double average_decay;
} weld_update_rates;

/* Of the next update, with learning rate lr. */
weld_update_rates weld_optimizer_rates(const weld_optimizer *o, double lr);
/* One update, with the learning rate times the parameter's scale (weight decay included).
 * gradients[i] belongs to weld_graph_parameter(g, i) and is not looked at where that is frozen; it
 * is overwritten where it is clipped to WELD_CLIP_AGC's limit. */
void weld_optimizer_step(weld_optimizer *o, const weld_tensor *gradients,
                         const weld_update_rates *rates);
/* The parameters' scales, to be read and written: those that are trained, in the graph's order. */
weld_tensor weld_optimizer_scales(weld_optimizer *o);

/* The state, for checkpoints: updates done, and under the names of the parameters that are trained
 * the averages of the gradients (SGD, RMSprop: the momentum) and of their squares (SGD: NULL). */
void weld_optimizer_set_updates(weld_optimizer *o, int64_t updates);
weld_weights *weld_optimizer_first_moments(weld_optimizer *o);
weld_weights *weld_optimizer_second_moments(weld_optimizer *o);

/* Whether weight decay applies to a parameter where it is for WELD_DECAY_WEIGHTS. */
bool weld_optimizer_decays(const char *name, const weld_shape *shape);

#endif
