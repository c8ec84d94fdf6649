/* Bad images that ranks have met; see doubts.h. */
#include "infer/doubts.h"

#include <stdio.h>

#include "base/error.h"
#include "infer/image_records.h"

bool weld_doubts_add(weld_doubts *d, int rank, const void *records, size_t bytes) {
    weld_image_record record;
    while (bytes > 0 && !weld_image_records_next(&records, &bytes, &record, NULL)) {
        if (record.bad) {
            weld_doubtful_image image = {.index = record.index, .rank = rank};
            snprintf(image.reason, sizeof image.reason, "%s", (const char *)record.data);
            d->lost |= !weld_array_append(&d->images, &image, 1);
        }
    }
    return d->images.count > 0 || d->lost;
}

weld_status weld_doubts_settle(weld_doubts *d, weld_group *g, const weld_dataset *ds,
                               weld_reading how, weld_error *err) {
    WELD_TRY(weld_group_agree(g, d->lost ? weld_fail_memory(err, "bad images") : WELD_OK, err));
    const weld_status status = weld_bad_on_all(g, ds, how, &d->images, err);
    d->images.count = 0;
    return status;
}

void weld_doubts_free(weld_doubts *d) {
    weld_array_free(&d->images);
}
