/* Bad images that a run has met: each counted once, however often later epochs meet it again, and
 * not more of them than data.max_bad says. Checkpoints keep them, so that a run that is resumed
 * goes on counting where it was. */
#ifndef WELD_DATA_BAD_IMAGES_H
#define WELD_DATA_BAD_IMAGES_H

#include "formats/json.h"

/* What data.max_bad may be at most. */
#define WELD_MAX_BAD_IMAGES 100000

/* How many of so many images may be bad: max_bad itself, but at most half of them; below 1 it is a
 * share of them. */
int64_t weld_bad_images_limit(double max_bad, int64_t images);
/* Where that number comes from, for messages: "data.max_bad", "half of 181 images; ...". */
#define WELD_BAD_IMAGES_SOURCE_SIZE 96
const char *weld_bad_images_source(double max_bad, int64_t images,
                                   char text[WELD_BAD_IMAGES_SOURCE_SIZE]);

typedef struct weld_bad_images weld_bad_images;

/* Of a data set of so many images, max_bad as above. */
weld_status weld_bad_images_create(double max_bad, int64_t images, weld_bad_images **out,
                                   weld_error *err);
void weld_bad_images_free(weld_bad_images *b); /* accepts NULL */

/* Note sample `index` of the data set; false: it was known, or there are more than may be already.
 * `reason` is one line naming it. */
bool weld_bad_images_note(weld_bad_images *b, int64_t index, const char *reason);
/* As far as one more than may be. */
int64_t weld_bad_images_count(const weld_bad_images *b);
/* "3 so far; at most 100: data.max_bad"; text has room for WELD_BAD_IMAGES_TOLD_SIZE. */
#define WELD_BAD_IMAGES_TOLD_SIZE (WELD_BAD_IMAGES_SOURCE_SIZE + 64)
const char *weld_bad_images_told(const weld_bad_images *b, char text[WELD_BAD_IMAGES_TOLD_SIZE]);

/* WELD_ERROR_FORMAT where there are more than may be: names data set and the last ones. */
weld_status weld_bad_images_check(const weld_bad_images *b, const char *path, weld_error *err);

/* Their indices, as an array; NULL: out of memory. */
json_t *weld_bad_images_json(const weld_bad_images *b);
/* Note those of such an array; anything else in it is left out. */
void weld_bad_images_restore(weld_bad_images *b, const json_t *array);

#endif
