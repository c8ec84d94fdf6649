/* Threads that read the stored bytes of the coming batches while the current one is computed with.
 *
 * They change when bytes are read, never which: whoever finds a sample not read yet reads it
 * himself. There are a few of them so that a disk, or a server, that takes long to answer has
 * several questions at once; while reads need not wait, because the system has the bytes in memory,
 * one of them reads and the others sleep, for the cpus have better to do. Batches are numbered; two
 * are kept, one of even number and one of odd: that in use, and the one after it. What is kept
 * unread is bounded in bytes.
 */
#ifndef WELD_DATA_READ_AHEAD_H
#define WELD_DATA_READ_AHEAD_H

#include <stdbool.h>

#include "formats/bytes.h"
#include "data/dataset.h"

typedef struct weld_read_ahead weld_read_ahead;

/* For batches of at most `capacity` samples of ds, which must outlive it. */
weld_status weld_read_ahead_create(const weld_dataset *ds, int64_t capacity, weld_read_ahead **out,
                                   weld_error *err);
/* Waits for reads in progress. Accepts NULL. */
void weld_read_ahead_free(weld_read_ahead *r);

/* Begin to read samples indices[0..count), of which -1 is none, as batch `number`, and give up what
 * is left of batch number - 2. No call of take for that may be in progress. */
void weld_read_ahead_request(weld_read_ahead *r, uint64_t number, const int64_t *indices,
                             int64_t count);

/* If sample `index` was asked for as number `slot` of batch `number` and has been read (or is being
 * read, which is waited for), replace *bytes by its bytes and return true. Otherwise the threads
 * will leave it alone and the caller reads. Any thread. */
bool weld_read_ahead_take(weld_read_ahead *r, uint64_t number, int64_t slot, int64_t index,
                          weld_bytes *bytes);

#endif
