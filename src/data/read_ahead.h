/* A thread that reads the stored bytes of the next batch while the current one is computed with.
 *
 * It changes when bytes are read, never which: whoever finds a sample not read yet reads it
 * himself.
 */
#ifndef WELD_DATA_READ_AHEAD_H
#define WELD_DATA_READ_AHEAD_H

#include <stdbool.h>

#include "data/dataset.h"

typedef struct weld_read_ahead weld_read_ahead;

/* For batches of at most `capacity` samples of ds, which must outlive it. */
weld_status weld_read_ahead_create(const weld_dataset *ds, int64_t capacity, weld_read_ahead **out,
                                   weld_error *err);
/* Waits for the read in progress. Accepts NULL. */
void weld_read_ahead_free(weld_read_ahead *r);

/* Begin to read samples indices[0..count), dropping what was asked for before. No call of take may
 * be in progress. */
void weld_read_ahead_request(weld_read_ahead *r, const int64_t *indices, int64_t count);

/* If sample `index` was asked for as number `slot` and has been read (or is being read, which is
 * waited for), exchange *bytes with its bytes and return true. Otherwise the thread will leave it
 * alone and the caller reads. Any thread. */
bool weld_read_ahead_take(weld_read_ahead *r, int64_t slot, int64_t index, weld_bytes *bytes);

#endif
