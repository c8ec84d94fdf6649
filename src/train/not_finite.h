/* Finding out why a loss is not finite. */
#ifndef WELD_TRAIN_NOT_FINITE_H
#define WELD_TRAIN_NOT_FINITE_H

#include "train/trainer.h"

/* What whoever computed the loss finds out, and all that whoever tells of it needs. */
typedef struct weld_not_finite {
    bool found;       /* otherwise `cause` says why not */
    weld_error cause; /* the first bad value */
    int64_t images;   /* of the batch, ... */
    char names[512];  /* ...and the first of them */
} weld_not_finite;

/* The loss of this batch of the next update (from 0) is not finite: find out why. *story: all that
 * not_finite.txt is to say. */
void weld_trainer_explain_not_finite(weld_trainer *t, int64_t batch, weld_not_finite *out,
                                     weld_text *story);
/* Write not_finite.txt, and return WELD_ERROR_NUMERIC with the story in one line. */
weld_status weld_trainer_fail_not_finite(const weld_trainer *t, const weld_not_finite *why,
                                         const char *story, weld_error *err);

#endif
