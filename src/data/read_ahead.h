/* Threads that read the stored bytes of the coming batches while the current one is computed with.
 *
 * They change when bytes are read, never which: whoever finds a sample not read yet reads it
 * himself. They work only while reads have to wait, for a disk or a server, of which a few of them
 * ask several things at once. What the system has in memory is read as quickly by who wants it, and
 * a thread more would only take a cpu away from the computation. Batches are numbered; two are
 * kept, one of even number and one of odd: that in use, and the one after it. What is kept unread
 * is bounded in bytes.
 */
#ifndef WELD_DATA_READ_AHEAD_H
#define WELD_DATA_READ_AHEAD_H

#include <stdbool.h>

#include "formats/bytes.h"
#include "datasets/dataset.h"

typedef struct weld_read_ahead weld_read_ahead;

/* For batches of at most `capacity` samples of ds, which must outlive it. */
weld_status weld_read_ahead_create(const weld_dataset *ds, int64_t capacity, weld_read_ahead **out,
                                   weld_error *err);
/* Waits for reads in progress. Accepts NULL. */
void weld_read_ahead_free(weld_read_ahead *r);

/* Begin to read samples indices[0..count), of which -1 is none, as batch `number`, and give up what
 * is left of batch number - 2. No call of read for that may be in progress. */
void weld_read_ahead_request(weld_read_ahead *r, uint64_t number, const int64_t *indices,
                             int64_t count);

/* Replace *bytes by those of sample `index`: what was read ahead, if it was asked for as number
 * `slot` of batch `number`, is taken (and waited for while it is being read), and else it is read
 * now, as weld_dataset_read does. Any thread. */
weld_status weld_read_ahead_read(weld_read_ahead *r, uint64_t number, int64_t slot, int64_t index,
                                 weld_bytes *bytes, weld_error *err);

#endif
