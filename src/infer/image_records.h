/* What an evaluation found, image by image, in a row of bytes: so processes hand the parts of one
 * that they did to whoever counts. They are of the same program and the same cpus' byte order; all
 * lengths are checked. */
#ifndef WELD_INFER_IMAGE_RECORDS_H
#define WELD_INFER_IMAGE_RECORDS_H

#include <stdint.h>

#include "data/bad_on_all.h"

typedef struct weld_image_record {
    int64_t index;    /* in the data set */
    bool bad;         /* the image could not be read: `data` is the reason, with its ending zero */
    const void *data; /* else what the task knows of it (weld_task.measure) */
    size_t bytes;
    const void *seen; /* what else somebody wanted to know of it */
    size_t seen_bytes;
} weld_image_record;

/* Append it to an array of bytes; false where memory is short. */
bool weld_image_records_add(weld_array *records, const weld_image_record *record);

/* Where the bad images of a batch go: among its records, so that they are told when those are
 * counted. */
typedef struct weld_bad_sink {
    weld_array *records;
    bool lost; /* there was no memory for one of them */
} weld_bad_sink;

/* A loader's weld_bad_image_function, whose argument is a weld_bad_sink. */
void weld_image_records_note_bad(void *sink, int64_t index, const char *reason);

/* Take the first of *left bytes, of which there are some, off *records; data may stand anywhere.
 * WELD_ERROR_FORMAT: they are not what add makes. */
weld_status weld_image_records_next(const void **records, size_t *left, weld_image_record *out,
                                    weld_error *err);
/* Note the bad images in a rank's records, as far as they can be read. */
void weld_image_records_doubt(const void *records, size_t bytes, int rank, weld_doubts *doubts);

#endif
