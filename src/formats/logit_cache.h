/* What a teacher said of every image of a data set: a safetensors file with the tensors
 *
 *    logits    [views, images, top]  F16 (also F32, BF16): the largest values of an image's row,
 *                                    the largest first, which is read as the largest even where
 *                                    rounding made others equal to it
 *    classes   [views, images, top]  I16 (also I32, I64): the classes that they are of, each once;
 *                                    -1 in the first place: nothing is known of this image
 *    checks    [views, images]       I32, where there is such a tensor: the check of each row
 *
 * `views` being the ways in which an image is augmented in turn, and `images` all samples of the
 * data set in its order. The check of a row is the lower half of XXH3-64 of its bytes in logits,
 * with the XXH3-64 of its bytes in classes as the seed, whose own seed is view * images + image.
 * These texts are in __metadata__:
 *
 *    weld.format        "weld distillation cache 1"
 *    weld.classes       the number of classes
 *    weld.values        "log_probabilities": natural logarithms of the softmax over all classes.
 *                       What they leave of 1 is spread evenly over the classes not listed.
 *                       "logits": with anything added to a row; classes not listed have no share.
 *    weld.samples       hash of the samples' names and labels; absent: only their number counts
 *    weld.augmentation  lines "section.key: value" of the recipe keys that pixels depend on.
 *                       Absent: they are whatever the file's maker thought right
 *    weld.teacher       for people
 *
 * Rows are read where they lie: memory does not grow with the number of images. What weld writes
 * has checks and a checksum of its header (safetensors_checksum.h), so that it is known of every
 * row that is read, and of what they are, that it is as it was written.
 */
#ifndef WELD_FORMATS_LOGIT_CACHE_H
#define WELD_FORMATS_LOGIT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

#define WELD_CACHE_SAMPLES "weld.samples"
#define WELD_CACHE_AUGMENTATION "weld.augmentation"
#define WELD_CACHE_TEACHER "weld.teacher"

typedef struct weld_cache_layout {
    int64_t views, images;
    int top, classes; /* 1 <= top <= classes */
    bool log_probabilities;
} weld_cache_layout;

/* --- Reading --- */

typedef struct weld_logit_cache weld_logit_cache;

weld_status weld_logit_cache_open(const char *path, weld_logit_cache **out, weld_error *err);
void weld_logit_cache_free(weld_logit_cache *c); /* accepts NULL */
weld_cache_layout weld_logit_cache_layout(const weld_logit_cache *c);
/* Are the header and all rows that are read held to checksums? Not in the files of others, or of
 * weld before it had any. */
bool weld_logit_cache_is_checked(const weld_logit_cache *c);
/* A text of the metadata; NULL: it is not there. */
const char *weld_logit_cache_text(const weld_logit_cache *c, const char *key);

/* A hash, in hexadecimal, of the header and of up to a thousand pieces that lie evenly in the file:
 * files of another teacher or other images differ in all of them. */
weld_status weld_logit_cache_identity(const weld_logit_cache *c, char text[17], weld_error *err);

/* The row of an image: logits[classes], all classes of it. Where the file's values do not reach, it
 * is what the head of this file says; "no share" is 80 temperatures below the largest. May be
 * called from several threads. WELD_ERROR_FORMAT: a check that differs, classes out of range or
 * given twice, values that are not finite or no logarithms of probabilities. WELD_ERROR_NOT_FOUND:
 * nothing is known of this image. */
weld_status weld_logit_cache_read(const weld_logit_cache *c, int64_t view, int64_t image,
                                  double temperature, float *logits, weld_error *err);

/* Is it "PATH.partial", which an interrupted writer left or another process writes? *rows (may be
 * NULL): how many are known to be in it. */
bool weld_logit_cache_is_partial(const char *path, int64_t *rows);

/* --- Writing --- */

typedef struct weld_cache_writer weld_cache_writer;

typedef struct weld_cache_texts {
    const char *samples, *augmentation, *teacher; /* as in the metadata; NULL: none */
    const char *conditions; /* what else rows depend on; of it the finished file says nothing */
} weld_cache_texts;

/* Bytes of the elements. */
uint64_t weld_cache_bytes(const weld_cache_layout *layout);

/* Begin "PATH.partial", with room for all of it, or go on with what an interrupted writer of the
 * same layout and texts left there (else it is begun anew): *rows is how many rows, view by view
 * and image by image, are known to be in it. Values are kept as F16, classes as I16 where they fit.
 * WELD_ERROR_IO: the disk is too small, or another process writes this file. WELD_ERROR_ARGUMENT:
 * what is there is no such file, or others may write to it. */
weld_status weld_cache_writer_open(const char *path, const weld_cache_layout *layout,
                                   const weld_cache_texts *texts, weld_cache_writer **out,
                                   int64_t *rows, weld_error *err);
/* Was something there that is not gone on with? The text, of one line, says what. */
bool weld_cache_writer_note(const weld_cache_writer *w, char *text, size_t size);
/* unknown[count]: of which of the first `count` rows, which are there, nothing is known. */
weld_status weld_cache_writer_find_unknown(const weld_cache_writer *w, int64_t count, bool *unknown,
                                           weld_error *err);
/* `count` rows from row `first` on: values [count, top], classes [count, top]. */
weld_status weld_cache_writer_put(weld_cache_writer *w, int64_t first, int64_t count,
                                  const float *values, const int32_t *classes, weld_error *err);
/* Make durable that the first `rows` rows are there. */
weld_status weld_cache_writer_sync(weld_cache_writer *w, int64_t rows, weld_error *err);
/* All rows are there: put the file in its place. Frees w in any case. */
weld_status weld_cache_writer_commit(weld_cache_writer *w, weld_error *err);
/* Stop, leaving PATH.partial to be gone on with where there is a row in it; accepts NULL. */
void weld_cache_writer_close(weld_cache_writer *w);

#endif
