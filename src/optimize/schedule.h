/* The learning rate of every update: linear warm-up, then one of several ways down. */
#ifndef WELD_OPTIMIZE_SCHEDULE_H
#define WELD_OPTIMIZE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum weld_schedule_name {
    WELD_SCHEDULE_COSINE,
    WELD_SCHEDULE_STEP,
    WELD_SCHEDULE_PLATEAU,
    WELD_SCHEDULE_CONSTANT
} weld_schedule_name;

/* How long a rate is held: for an update; through an epoch, one behind, as RepViT's reference
 * implementation does it (epochs 0 and 1 both have that of the first update); or through an epoch,
 * that of its own first update, as timm's training script does it. */
typedef enum weld_schedule_per {
    WELD_SCHEDULE_PER_STEP,
    WELD_SCHEDULE_PER_EPOCH,
    WELD_SCHEDULE_PER_EPOCH_START
} weld_schedule_per;

typedef struct weld_schedule {
    weld_schedule_name name;
    double base_lr;          /* already scaled to the batch */
    double warmup_lr;        /* rate of the first update */
    double min_lr;           /* where it ends; after the warm-up no rate is below */
    double warmup_epochs;    /* may be a fraction */
    int64_t epochs;          /* of the warm-up and the way down */
    int64_t cooldown_epochs; /* after them, at min_lr; cosine only */
    double steps_per_epoch;  /* updates; where epochs have different numbers of them, their mean */
    double decay_rate;       /* step, plateau: factor ... */
    double decay_epochs;     /* step: ... of every so many; may be a fraction */
    int64_t patience_epochs; /* plateau: ... of every so many without a better score */
    weld_schedule_per per;
} weld_schedule;

/* What plateau has seen so far; it begins as zeros. */
typedef struct weld_plateau {
    double best;   /* the score that counts as the best yet */
    int64_t since; /* epochs done when it was reached, or the rate last fell; 0: no score yet */
    int64_t reductions; /* times that the rate fell */
} weld_plateau;

/* The linear scaling rule (Goyal et al. 2017): lr for batches of `lr_batch`, scaled to `batch`.
 * lr_batch 0 leaves lr as it is. */
double weld_schedule_scale(double lr, int64_t batch, int64_t lr_batch);

/* Epochs of the whole run. */
int64_t weld_schedule_epochs(const weld_schedule *s);

/* The rate of an update of `epoch`, from 0, that follows `updates` earlier ones of the run. With t
 * = updates, and T, W and D the updates of `epochs`, of the warm-up and of decay_epochs:
 *     t < W:   warmup_lr + (base - warmup_lr) t / W
 *     cosine:  min_lr + (base - min_lr) (1 + cos(pi t / T)) / 2; from T on: min_lr
 *     step:    base decay_rate^floor(t / D), but at least min_lr
 *     plateau: base decay_rate^reductions, likewise
 *     constant: base
 * (cosine: SGDR, Loshchilov and Hutter 2017, one period; t counts from the start of the warm-up, as
 * in timm). Where rates are held through epochs, these are counted in place of updates.
 * reductions: what plateau has made so far; nothing to the others. */
double weld_schedule_rate(const weld_schedule *s, int64_t epoch, int64_t updates,
                          int64_t reductions);

/* For people: "a cosine to 1e-05 over 300 epochs, then 10 epochs at that; warm-up ...". */
const char *weld_schedule_text(const weld_schedule *s, char *text, size_t size);

/* Plateau: take in a score of the weights after `epochs` of the run; true if the rate falls now. As
 * PyTorch's ReduceLROnPlateau: a score is better that beats the best by a part in 10,000 of it,
 * and after more than patience_epochs without one the rate falls, and they are counted anew.
 * Scores of the warm-up are passed over, as timm does. */
bool weld_schedule_plateau(const weld_schedule *s, weld_plateau *p, int64_t epochs, double score,
                           bool smaller_is_better);

#endif
