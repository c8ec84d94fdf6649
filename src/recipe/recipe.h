/* Recipes: everything that decides what a training run does, as YAML.
 *
 * recipes/README.md lists every key with meaning, unit, default and range. A recipe is checked
 * once, here: an error names the file and the line (or the --set option) and the key.
 */
#ifndef WELD_RECIPE_RECIPE_H
#define WELD_RECIPE_RECIPE_H

#include "data/batching.h"
#include "data/transform.h"
#include "datasets/class_choice.h"
#include "tasks/loss_options.h"
#include "weld/model.h"

#define WELD_RECIPE_PATH_SIZE 4096
/* Most epochs of a run, or of a part of it. */
#define WELD_MAX_EPOCHS 1e6

/* Learning from another network; see teach/distillation.h. */
typedef struct weld_distillation_recipe {
    int kind;                            /* a weld_distillation_kind */
    char teacher[WELD_RECIPE_PATH_SIZE]; /* a model file; "": none */
    char cache[WELD_RECIPE_PATH_SIZE];   /* what it said, in its place; "": none */
    double alpha;                        /* share of the loss */
    double temperature;                  /* of soft targets */
} weld_distillation_recipe;

typedef struct weld_recipe {
    weld_model_config model; /* num_classes 0: as many as there are class folders */
    struct {
        double drop_path, dropout;
    } chance; /* of the model, in training alone: see weld_build_mode */
    struct {
        char train[WELD_RECIPE_PATH_SIZE], val[WELD_RECIPE_PATH_SIZE]; /* val may be "": none */
        weld_preprocessing preprocessing;                              /* its size is input_size: */
        int input_size[2], input_size_count; /* one number, or height and width */
        int padding[3], padding_count;       /* of a letterbox; 0: its mean */
        int sizes[WELD_SIZES_MAX];           /* of training images, rising; see batching.h */
        int size_count;                      /* 0: input_size alone */
        weld_class_choice classes;           /* which are learned and evaluated */
        double split;                        /* share of `train` that is evaluated on; 0: none */
        double fraction;                     /* share of the rest that is trained on */
        int64_t split_seed;                  /* of both: data/split.h */
        double max_bad;                      /* images of a part that may be bad (bad_images.h) */
        int sampling;                        /* a weld_balance: which samples an epoch has */
    } data;
    weld_augmentation augment;
    struct {
        unsigned char values[WELD_TASK_VALUES_SIZE]; /* of the task's keys (tasks/task.h) */
        weld_distillation_recipe distillation;
    } loss;
    struct {
        int name; /* a weld_method of optimizer.h */
        double lr;
        int64_t lr_batch; /* lr is meant for batches of this size; 0: for any */
        double betas[2];  /* adamw */
        double eps;       /* adamw, rmsproptf */
        double alpha;     /* rmsproptf */
        double momentum;  /* sgd, rmsproptf */
        bool nesterov;    /* sgd */
        double weight_decay;
        int decay_on;                      /* a weld_decay_on of optimizer.h */
        double head_lr_scale, layer_decay; /* see parameter_rates.h */
        double clip;                       /* 0: no clipping */
        int clip_mode;                     /* a weld_clip_mode of optimizer.h */
    } optimizer;
    struct {
        int name; /* a weld_schedule_name of schedule.h; the rest is as there */
        double warmup_epochs, warmup_lr, min_lr;
        double decay_rate, decay_epochs;
        int64_t patience_epochs, cooldown_epochs;
        int per;
    } schedule;
    struct {
        int64_t epochs, batch_size;
        char time[32];      /* a duration (duration.h) that epochs are fitted to; "": none */
        int64_t accumulate; /* batches an update */
        int precision;      /* a weld_precision, or WELD_RECIPE_PRECISION_AUTO */
        int64_t seed;
        bool shuffle;
        double ema_decay;         /* of the moving average of the weights; 0: none */
        int ema_warmup;           /* it begins smaller (optimizer.h): a weld_recipe_warmup */
        int best;                 /* a weld_recipe_best */
        int64_t patience;         /* evaluations without a better score; 0: all epochs are run */
        int64_t eval_every;       /* epochs; 0: at the end only */
        int64_t checkpoint_every; /* updates; an epoch's end always makes one */
        int64_t keep;             /* checkpoints of epochs that stay beside last.h5 and best.h5 */
        int freeze; /* 0: nothing; 1: the stem; 1 + n: that and n stages; WELD_FREEZE_BACKBONE */
        bool bn_eval;
        bool fuse;                /* passes/fuse_training.h and streams */
        int recompute;            /* a weld_segments of models.h */
        bool events;              /* for TensorBoard: events.h */
        int64_t histograms_every; /* epochs between histograms and contact sheets; 0: none */
    } train;
    struct {
        int64_t weights, activations; /* bits of their codes; 0: they stay as they are. Of weights
                                       * 0: nothing is quantised */
        int64_t images;               /* that ranges are found by */
        double start;                 /* epochs before it */
        double freeze_ranges;         /* share of the run after which ranges stay */
        bool learn_steps;             /* of codes, in place of finding ranges again */
    } quantize;
} weld_recipe;

/* By what an evaluation is better than another: the score of the weights, that of their moving
 * average, the loss of the weights. */
typedef enum weld_recipe_best {
    WELD_RECIPE_BEST_WEIGHTS,
    WELD_RECIPE_BEST_EMA,
    WELD_RECIPE_BEST_LOSS
} weld_recipe_best;

/* AUTO: to be chosen at the start of the run. */
typedef enum weld_recipe_warmup {
    WELD_RECIPE_WARMUP_OFF,
    WELD_RECIPE_WARMUP_ON,
    WELD_RECIPE_WARMUP_AUTO
} weld_recipe_warmup;

/* Of train.precision: to be chosen at the start of the run. */
#define WELD_RECIPE_PRECISION_AUTO (WELD_PRECISION_BF16 + 1)
/* Of train.freeze: all but the head. */
#define WELD_FREEZE_BACKBONE (WELD_MAX_STAGES + 2)
/* How many parts (models.h) train.freeze keeps from being trained. */
int weld_recipe_frozen_parts(const weld_recipe *r);
/* The same for a value of train.freeze as text and a network. */
weld_status weld_recipe_parts_of(const char *freeze, const weld_model_config *config, int *parts,
                                 weld_error *err);

/* Does a run evaluate anything? */
static inline bool weld_recipe_evaluates(const weld_recipe *r) {
    return r->data.val[0] || r->data.split > 0;
}

/* Epochs of the whole run: those of train.epochs and what the schedule adds. */
int64_t weld_recipe_epochs(const weld_recipe *r);

/* Make the run as long as `epochs` in all, and what the schedule counts in epochs longer or shorter
 * with it: its warm-up, its steps, its cool-down; and augment.mixup_off_epoch and close_mosaic. */
void weld_recipe_fit(weld_recipe *r, int64_t epochs);
/* The same as another was fitted. */
void weld_recipe_fit_as(weld_recipe *r, const weld_recipe *fitted);

/* All defaults but the family's and the task's (a model that has no name yet and no data). */
void weld_recipe_defaults(weld_recipe *r);

/* A file that training starts from: what a recipe takes from it where it does not say otherwise,
 * which is all of the network (but not its classes and its distillation head) and of the
 * preprocessing. */
typedef struct weld_recipe_start {
    const weld_model_config *model;
    const weld_preprocessing *preprocessing;
    bool resumed;     /* it is of this very run: with the same classes */
    const char *path; /* that --init names, or of a run that is resumed named; NULL: none */
} weld_recipe_start;

/* Read the recipe in `path`, override keys by `set[0..set_count)`, each "section.key=VALUE" with
 * VALUE in YAML, and check it all. start: NULL, or what defaults are taken from; without it the
 * recipe must name a model. */
weld_status weld_recipe_read(const char *path, const char *const *set, size_t set_count,
                             const weld_recipe_start *start, weld_recipe *out, weld_error *err);
/* The same for a recipe in memory that starts from no file; `name` stands for it in messages. */
weld_status weld_recipe_parse(const char *name, const char *text, size_t size,
                              const char *const *set, size_t set_count, weld_recipe *out,
                              weld_error *err);

/* The first key, "section.key", whose value differs; NULL where none does. Not compared: where the
 * images and the teacher are, how many images may be bad, how often checkpoints are made,
 * TensorBoard's events, the precision, and what is computed again. Both values are written as text.
 */
const char *weld_recipe_difference(const weld_recipe *a, const weld_recipe *b, char *key,
                                   size_t key_size, char *value_a, char *value_b,
                                   size_t value_size);

/* The whole recipe as YAML, with all defaults written out, that reads back to the same. Freed with
 * weld_free. */
weld_status weld_recipe_text(const weld_recipe *r, char **text, weld_error *err);

#endif
