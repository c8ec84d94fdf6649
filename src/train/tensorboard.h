/* TensorBoard's event files: records of TFRecord (a length, its checksum, the bytes, theirs), each
 * a protobuf message Event.
 *
 * The messages are encoded here by hand: five of them, with a dozen fields in all, written and
 * never read. Field numbers are those of TensorFlow's event.proto, summary.proto and
 * histogram.proto.
 */
#ifndef WELD_TRAIN_TENSORBOARD_H
#define WELD_TRAIN_TENSORBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

typedef struct weld_tensorboard weld_tensorboard;

/* A new file events.out.tfevents.<unix time>.<host> in the folder, which begins with the version
 * record. TensorBoard reads a folder's files in the order of their names. first_step > 0: whoever
 * wrote the earlier ones was cut short, and what they hold of this step and later ones counts no
 * more (a session log START, at which TensorBoard drops it). */
weld_status weld_tensorboard_create(const char *folder, int64_t first_step, weld_tensorboard **out,
                                    weld_error *err);
void weld_tensorboard_free(weld_tensorboard *t); /* accepts NULL */

/* What a tensor's elements look like: TensorFlow's buckets, whose limits grow by a tenth from 1e-12
 * to 1e20 on both sides of zero. Bucket i counts limits[i - 1] <= v < limits[i]. */
enum { WELD_HISTOGRAM_SIDE = 774, WELD_HISTOGRAM_BUCKETS = 2 * WELD_HISTOGRAM_SIDE + 3 };
typedef struct weld_histogram {
    double min, max, count, sum, sum_squares;
    double buckets[WELD_HISTOGRAM_BUCKETS];
} weld_histogram;
/* Of values[0..count); what is not finite is left out. */
void weld_histogram_of(const float *values, int64_t count, weld_histogram *out);

/* Collect values for the next event. `tag` is UTF-8; what stands before its first '/' groups them.
 * A lack of memory is told by the next call of write. */
void weld_tensorboard_scalar(weld_tensorboard *t, const char *tag, double value);
void weld_tensorboard_histogram(weld_tensorboard *t, const char *tag, const weld_histogram *h);
void weld_tensorboard_image(weld_tensorboard *t, const char *tag, int width, int height,
                            const void *png, size_t bytes);
/* Write what was collected as one event of this step and hand it to the system. An event without
 * values is not written. */
weld_status weld_tensorboard_write(weld_tensorboard *t, int64_t step, weld_error *err);

/* CRC-32C (Castagnoli), as in RFC 3720. */
uint32_t weld_crc32c(const void *data, size_t bytes);

#endif
