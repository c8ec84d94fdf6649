/* The folder of a training run: its files' names, and the lock that keeps a second process out. */
#ifndef WELD_TRAIN_RUN_FOLDER_H
#define WELD_TRAIN_RUN_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "weld/status.h"

typedef struct weld_run_folder {
    char *path, *recipe, *metrics, *last, *best;     /* NULL before open */
    char *evaluation;                                /* evaluation.json: of best.h5's weights */
    int lock;                                        /* descriptor */
    bool made;                                       /* the folder was not there before */
    bool holds_checkpoint, holds_best, holds_recipe; /* last.h5, ...: there when it was opened */
    bool holds_metrics;
} weld_run_folder;

/* Make the folder where it does not exist, and lock it for as long as it is open or the process
 * lives. One that holds a run is an error unless `resume`; one that another process has locked
 * always is. path NULL: a new runs/<name of the recipe's file>-<time>, with
 * -2, -3, ... behind it where runs of the same second have it. */
weld_status weld_run_folder_open(const char *path, const char *recipe, bool resume,
                                 weld_run_folder *out, weld_error *err);
/* Where the folder was made and holds nothing, it is removed again. */
void weld_run_folder_close(weld_run_folder *f);

/* Where the folder `path` would have last.h5; freed with weld_free. */
weld_status weld_run_folder_last(const char *path, char **out, weld_error *err);

/* Add to the message of an error of last.h5 what else the folder has to go on from. */
void weld_run_folder_tell_rest(const char *path, weld_error *err);

/* Where the checkpoint after so many epochs goes, "epoch-12.h5"; freed with weld_free. *out is NULL
 * on an error. */
weld_status weld_run_folder_epoch(const weld_run_folder *f, int64_t epochs, char **out,
                                  weld_error *err);
/* Remove the checkpoints of all epochs up to epochs - keep; keep 0 leaves all. */
weld_status weld_run_folder_prune(const weld_run_folder *f, int64_t epochs, int64_t keep,
                                  weld_error *err);

#endif
