/* Whether images that ranks could not use are bad on all of them.
 *
 * A bad image is left out or replaced, wherever it is met: on one process that is a function of the
 * data. Where hosts have copies of their own, or a server fails at times, an image may be bad for
 * one rank and good for another; then results would depend on whose turn it was. So of each that is
 * met all ranks look whether they can use it: once, where it can be read but is no image.
 */
#ifndef WELD_DATA_BAD_ON_ALL_H
#define WELD_DATA_BAD_ON_ALL_H

#include "base/array.h"
#include "datasets/dataset.h"
#include "distributed/group.h"

/* An image that a rank has met. */
typedef struct weld_doubtful_image {
    int64_t index; /* in the data set */
    int rank;
    char reason[WELD_ERROR_MESSAGE_SIZE]; /* one line that names the image */
} weld_doubtful_image;

/* Those of a data set, on rank 0: start with WELD_DOUBTS. */
typedef struct weld_doubts {
    weld_array images;  /* weld_doubtful_image: on which all have yet to look */
    weld_array settled; /* int64_t: indices of those that are bad for good, on all */
    bool lost;          /* there was no memory for one of them */
} weld_doubts;
#define WELD_DOUBTS                                                                                \
    ((weld_doubts){.images = {.element = sizeof(weld_doubtful_image)},                             \
                   .settled = {.element = sizeof(int64_t)}})

/* Rank 0: a rank has met an image. What is settled of it stays so. */
void weld_doubts_note(weld_doubts *d, int rank, int64_t index, const char *reason);
/* Is there anything to settle? */
bool weld_doubts_any(const weld_doubts *d);
/* Called by all ranks; rank 0's d says of which images. WELD_ERROR_IO, on all of them: one can be
 * used by a rank; the message names it, and who met it. */
weld_status weld_doubts_settle(weld_doubts *d, weld_group *g, const weld_dataset *ds,
                               weld_reading how, weld_error *err);
void weld_doubts_free(weld_doubts *d);

#endif
