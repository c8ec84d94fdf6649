/* metrics.jsonl: one JSON object a line, for programs that watch or compare runs.
 *
 * Keys that depend on the clock contain "second"; all others are the same, to the bit, in every run
 * of the same recipe.
 */
#ifndef WELD_TRAIN_METRICS_H
#define WELD_TRAIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "tasks/task.h"
#include "weld/train.h"

typedef struct weld_metrics weld_metrics;

/* After one update. */
typedef struct weld_step_metrics {
    int64_t epoch, step; /* from 0; from 1 */
    int size;            /* of the images, where the run has several; else 0: not written */
    double loss, lr;     /* loss: mean of the batch, before the update */
    double parts[WELD_LOSS_PARTS_MAX]; /* of the loss, as the task names them */
    double counts[WELD_COUNTS_MAX];    /* likewise, in the update's batches */
    const weld_task *task;
    double images_per_second;
    double data_seconds; /* making the batch, all of it */
    weld_train_times
        times; /* wait_seconds, decode_seconds, ...; teacher_seconds where there is one */
} weld_step_metrics;

/* Of an image that is trained on, when it is first found to be bad. */
typedef struct weld_bad_image_row {
    int64_t epoch, step; /* the update that met it */
    const char *reason;  /* which names it */
} weld_bad_image_row;

/* After an epoch. */
typedef struct weld_epoch_metrics {
    int64_t epoch, step;
    double train_loss, parts[WELD_LOSS_PARTS_MAX], counts[WELD_COUNTS_MAX];
    int64_t bad_images;         /* of those that are trained on, in the run so far */
    const weld_task *task;      /* which names the scores, the parts of the loss and the counts */
    bool evaluated;             /* otherwise loss and scores are written as null */
    weld_evaluation evaluation; /* val_images, val_skipped, val_loss, top1, top5 */
    bool averaged;              /* so is the next otherwise */
    weld_evaluation average;    /* ema_val_images, ...: of the weights' moving average */
    double seconds, data_seconds;
    weld_train_times times; /* sums over the epoch's updates */
    double evaluation_seconds;
    int ranks;                 /* 0: one process, and the rest is not written */
    double ranks_seconds;      /* since the epoch before; it is not written */
    double ranks_wait_seconds; /* for others, on average */
    int slowest_rank;          /* of updates */
} weld_epoch_metrics;

/* Open `path` for appending after its first `offset` bytes: what lies beyond (rows past the
 * checkpoint from which a run resumes) is cut off. A file that is not there is made; of one that is
 * shorter, or does not end there with a row, the whole rows stay. *cut_short: rows are missing. */
weld_status weld_metrics_open(const char *path, int64_t offset, weld_metrics **out, bool *cut_short,
                              weld_error *err);
void weld_metrics_close(weld_metrics *m);

/* Each row is handed to the system before the call returns, so that a killed run loses none. */
weld_status weld_metrics_step(weld_metrics *m, const weld_step_metrics *row, weld_error *err);
weld_status weld_metrics_bad_image(weld_metrics *m, const weld_bad_image_row *row, weld_error *err);
weld_status weld_metrics_epoch(weld_metrics *m, const weld_epoch_metrics *row, weld_error *err);

/* Bytes written so far, after making sure that they are on the disk. */
weld_status weld_metrics_sync(weld_metrics *m, int64_t *offset, weld_error *err);
/* A checksum of the last of them: rows have times in them, so that two runs have not the same;
 * never below 0. 0 where they cannot be read: no run ends over what only a warning needs. */
int64_t weld_metrics_tail(const weld_metrics *m);

#endif
