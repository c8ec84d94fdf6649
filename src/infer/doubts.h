/* Bad images in what ranks did of a data set (image_records.h): whether they are bad for all of
 * them (data/bad_on_all.h).
 */
#ifndef WELD_INFER_DOUBTS_H
#define WELD_INFER_DOUBTS_H

#include "data/bad_on_all.h"

/* Start with WELD_DOUBTS. */
typedef struct weld_doubts {
    weld_array images; /* weld_doubtful_image */
    bool lost;         /* there was no memory for one of them */
} weld_doubts;
#define WELD_DOUBTS ((weld_doubts){.images = {.element = sizeof(weld_doubtful_image)}})

/* Note the bad images in a rank's records, as far as they can be read; whether there are any. */
bool weld_doubts_add(weld_doubts *d, int rank, const void *records, size_t bytes);
/* Called by all ranks: weld_bad_on_all of what rank 0 has noted, which is forgotten. */
weld_status weld_doubts_settle(weld_doubts *d, weld_group *g, const weld_dataset *ds,
                               weld_reading how, weld_error *err);
void weld_doubts_free(weld_doubts *d);

#endif
