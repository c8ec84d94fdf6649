/* Training: one call that runs a recipe.
 *
 *     weld_train_settings settings = weld_train_defaults();
 *     settings.recipe = "recipes/fashion_mnist.yaml";
 *     weld_train_result result;
 *     weld_error err;
 *     if (weld_train_run(&settings, &result, &err)) { puts(err.message); }
 *
 * A run lives in one folder: recipe.yaml (as run), metrics.jsonl, last.h5, best.h5,
 * evaluation.json (what the weights of best.h5 make of each class), events.out.tfevents.* (for
 * TensorBoard). It can be killed at any moment and resumed from last.h5, and then ends with the
 * same weights and metrics, bit for bit, as if nothing had happened; so do runs with different
 * numbers of threads.
 *
 * Structs that callers fill have reserved room, which stays NULL, so that later versions can add
 * members without becoming incompatible.
 */
#ifndef WELD_TRAIN_H
#define WELD_TRAIN_H

#include "weld/distributed.h"
#include "weld/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Parameters that are updated alike. */
typedef struct weld_train_group {
    bool trained;        /* otherwise the next three are 0 */
    bool weights;        /* not biases and normalisation */
    double weight_decay; /* 0: none */
    double lr_scale;     /* of the learning rate */
    int64_t tensors, parameters;
} weld_train_group;

/* Batches that updates draw from, where a run has images of several sizes. */
typedef struct weld_train_size {
    int height, width;
    int64_t batch; /* images */
} weld_train_size;

/* What will be done; told once before the first update. */
typedef struct weld_train_start {
    const char *out;                  /* the run's folder; NULL in a dry run */
    const char *recipe;               /* as run: YAML with all defaults */
    const char *model;                /* name */
    int64_t parameters;               /* scalars */
    int64_t trained_parameters;       /* of them; the others are frozen */
    int64_t train_images, val_images; /* val_images 0: no evaluation */
    int classes;
    int64_t epochs, steps_per_epoch; /* with several sizes epochs differ, and this is their mean */
    int64_t steps;                   /* of the whole run */
    int64_t batch_size, accumulate;  /* images a batch, of data.input_size; batches an update */
    const weld_train_size *sizes;
    int size_count;     /* 0: all images have data.input_size */
    const char *inputs; /* for people: their size, where it is not square, and how images are
                         * brought to it, where that is not by a crop; else NULL */
    double recipe_lr;   /* for batches of lr_batch ... */
    int64_t lr_batch;   /* (0: for any) */
    double lr;          /* ... and the rate used: recipe_lr * batch_size * accumulate / lr_batch */
    const char *schedule; /* for people: what becomes of it */
    const weld_train_group *groups;
    size_t group_count;
    const char *rates;    /* for people, part by part of the network; NULL: lr for all of it */
    const char *advice;   /* what seems unwise, a line each; "": nothing */
    int64_t resumed_step; /* updates done already; 0: from the beginning */
    int threads;
    size_t memory_bytes; /* of activations and gradients */
    weld_precision precision;
} weld_train_start;

/* Where the time of updates went, in seconds. The first three are the making of their batches:
 * standing still for bytes, making pixels of them, and everything that is done to pixels. Forward
 * ends when the loss is known. */
typedef struct weld_train_times {
    double wait, decode, augment;
    double teacher; /* 0: there is none */
    double forward, backward, optimizer;
} weld_train_times;

/* After an update. */
typedef struct weld_train_progress {
    int64_t epoch, epochs;         /* epoch from 0 */
    int64_t position;              /* updates of this epoch that are done */
    int64_t steps_per_epoch, step; /* of this epoch; step: updates of the whole run that are done */
    int size;                      /* of this update's images, where there are several; else 0 */
    double loss, lr;
    double images_per_second; /* of this update, with its data */
    double data_share;        /* of this epoch's updates: standing still for bytes, 0 to 1 */
    double seconds_left;      /* to the end of the run, at the pace so far */
} weld_train_progress;

/* A part of a loss by name ("box"): its mean over an epoch. */
typedef struct weld_loss_part {
    const char *name;
    double value;
} weld_loss_part;

/* While an evaluation runs, and after every epoch. */
typedef struct weld_train_evaluation {
    int64_t epoch;
    int64_t images_done, images; /* images 0: this epoch was not evaluated. While an evaluation of
                                  * several ranks runs: done up to rank 0's latest batch */
    bool done;                   /* the epoch is over: the rest is known */
    const weld_score *scores;    /* as the task names them: top-1, top-5; the first decides */
    int score_count;
    double loss;            /* mean; NAN: the task has none but in training */
    double average;         /* scores[0] of the weights' moving average; NAN: there is none */
    double train_loss;      /* mean over the epoch */
    bool best;              /* of the run so far */
    double seconds;         /* of the whole epoch, ... */
    weld_train_times times; /* ... of its updates, and of evaluating: what this call did */
    double evaluation_seconds;
    double threads_used; /* how many threads' worth of work was done at once, on average over the
                            epoch, of those asked for: other programs may have wanted the cpus */
    int threads;         /* asked for */
    /* What train_loss is made of, as the task has it; none where it is of one piece. */
    const weld_loss_part *loss_parts;
    int loss_part_count;
    const char *note; /* what a person should know of how the epoch was learned from, a line; "":
                         nothing */
} weld_train_evaluation;

/* Called from the thread that called weld_train_run; any may be NULL. */
typedef struct weld_train_callbacks {
    void *context;
    void (*started)(void *context, const weld_train_start *start);
    void (*stepped)(void *context, const weld_train_progress *progress);
    void (*evaluated)(void *context, const weld_train_evaluation *evaluation);
    /* Something a person should know: one line. */
    void (*message)(void *context, const char *text);
    /* Asked after every update: true ends the run as soon as last.h5 is written. May be called in
     * an evaluation too. */
    bool (*stop)(void *context);
    void *reserved[4]; /* NULL */
} weld_train_callbacks;

typedef struct weld_train_settings {
    const char *recipe;     /* path of the recipe; needed */
    const char *const *set; /* overrides: "train.epochs=3" */
    size_t set_count;
    const char *data; /* folder that holds train and val (folders, or .h5 or .tar files of these
                       * names), or classes alone: in place of the recipe's data.train and data.val;
                       * may be NULL */
    const char *out;  /* the run's folder; NULL: runs/<recipe>-<time> */
    bool resume;      /* continue the run in `out`; start where there is nothing yet */
    const char *init; /* a model file to take weights from and, where the recipe does not say
                       * otherwise, the network and its preprocessing; may be NULL. Not read when a
                       * run is resumed: last.h5 has it all */
    int threads;      /* 0: all that the process may use */
    int extend;       /* of resume: go on to so many epochs in all, more than the run was begun for.
                       * Optimizer and averages go on; the rate is that of a run of so many. 0: to
                       * those that the recipe says */
    weld_train_callbacks callbacks;
    const char *init_key; /* of init: which of the networks in it, as weld_import_options.key */
    /* NULL: one process. Else all ranks of the group make the same call and share the run out: the
     * result is the same to the bit, and so are status and message. Rank 0's callbacks are called,
     * of the others only `stop`, and any of them may ask for it. bad_images and seconds of the
     * result are known to rank 0. Recipe, init and out are read and
     * written by rank 0 alone, data by all, at the same paths. Threads are those of each rank. */
    weld_group *group;
    /* Of group: ranks may compute by other kernels or libm than rank 0 does. Each is as fast as it
     * can, all make the same updates, by kernels in plain C; the run comes to the same again on the
     * same hosts, but not to what one process makes of it. Else such ranks are an error. */
    bool mixed;
    void *reserved[1]; /* NULL */
} weld_train_settings;

typedef struct weld_train_result {
    char out[4096];        /* the run's folder */
    bool interrupted;      /* stop said so; the run can be resumed */
    int64_t epochs, step;  /* done */
    bool evaluated;        /* best is known */
    weld_score best, last; /* what decides; last: of the last evaluation of this call, NAN: none */
    int64_t bad_images;    /* of those to train on, that were met and passed over */
    double seconds;        /* of the whole run, over all its parts */
} weld_train_result;

/* In bytes, apart from the data set and the libraries. */
typedef struct weld_train_memory {
    size_t activations; /* with gradients and a batch of images, of the size that needs most */
    size_t weights, optimizer, average;
    size_t accumulated; /* gradients of several batches */
} weld_train_memory;

/* What a dry run found. */
typedef struct weld_train_plan {
    int64_t steps, evaluations; /* of the whole run; evaluations 0: nothing to evaluate on */
    int64_t measured;           /* updates */
    double measured_seconds;    /* of all of them, with their data */
    double step_seconds;        /* of one; of several sizes the mean over the run */
    weld_train_times times;     /* of all that were measured */
    double evaluation_seconds;  /* of one, with that of the moving average, from a few batches */
    double seconds;             /* of the whole run */
    weld_train_memory memory;
    size_t peak_bytes; /* of the process */
} weld_train_plan;

WELD_API weld_train_settings weld_train_defaults(void);

/* Run to the end, or until callbacks.stop says so (then result->interrupted, and WELD_OK). Errors:
 * a recipe that does not stand the checks, data, an `out` that holds a run already (without resume)
 * or that another process is using, a checkpoint that belongs to another recipe or other data;
 * WELD_ERROR_NUMERIC: a loss that is not finite, with the update, the first bad value and the
 * batch's images by name; last.h5 is then the last good checkpoint. */
WELD_API weld_status weld_train_run(const weld_train_settings *settings, weld_train_result *result,
                                    weld_error *err);

/* Do all that weld_train_run does up to its first few updates and evaluation batches, and say how
 * long it will take. Writes nothing; settings->out is not looked at, settings->resume an error, and
 * callbacks.evaluated sees an evaluation that ends early. WELD_ERROR_INTERRUPTED where
 * callbacks.stop says so. */
WELD_API weld_status weld_train_dry_run(const weld_train_settings *settings, weld_train_plan *out,
                                        weld_error *err);

/* Write one self-contained HTML page about runs[0..count) (their folders; at most 32): curves,
 * where the time went, a row a run with its network's size before and after merging and its best
 * score, the recipes and what differs in them, what the best weights get wrong. It
 * fetches nothing. Runs may be in progress, without evaluation, or cut short; what is missing or
 * damaged is left out, and the page says so. Errors: a folder that is not there or holds no run;
 * `path` cannot be written (then what was there stays). */
WELD_API weld_status weld_report_write(const char *const *runs, size_t count, const char *path,
                                       weld_error *err);

#ifdef __cplusplus
}
#endif
#endif
