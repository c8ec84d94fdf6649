/* Whether images that ranks could not use are bad on all of them.
 *
 * A bad image is left out or replaced, wherever it is met: on one process that is a function of the
 * data. Where hosts have copies of their own, or a server fails at times, an image may be bad for
 * one rank and good for another; then results would depend on whose turn it was. So of each that is
 * met all ranks look whether they can use it.
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

/* Called by all ranks; images (weld_doubtful_image) are looked at on rank 0 alone. WELD_ERROR_IO,
 * on all of them: one can be used by a rank; the message names it, and who met it. */
weld_status weld_bad_on_all(weld_group *g, const weld_dataset *ds, weld_reading how,
                            const weld_array *images, weld_error *err);

#endif
