/* What a rank has to say of its share of an update, as bytes for rank 0.
 *
 * All ranks run the same program on cpus of one kind, so that structs go as they are.
 */
#ifndef WELD_TRAIN_RECORD_H
#define WELD_TRAIN_RECORD_H

#include "train/not_finite.h"

/* A group of an update: one batch. */
typedef struct weld_group_result {
    int64_t samples;
    int size;                          /* of its images, where the run has several; else 0 */
    bool loaded;                       /* its batch is there */
    bool diagnosed;                    /* its loss is not finite: `why` and `story` say more */
    weld_status status;                /* what ended it, and with it the rank's share */
    int64_t bad;                       /* how many of the bad images it met */
    double loss;                       /* mean of its samples */
    double parts[WELD_LOSS_PARTS_MAX]; /* likewise */
    double counts[WELD_COUNTS_MAX];    /* of all samples */
} weld_group_result;

typedef struct weld_update_record {
    bool stop;              /* the rank was asked to end the run */
    uint64_t state;         /* of its replica: weld_trainer_hash_part */
    double seconds, waited; /* that its groups took; that it waited for others in the run so far */
    weld_error err;         /* of the group that failed, or of what was written before */
    weld_not_finite why;
    weld_array groups; /* weld_group_result, one after the other */
    weld_array bad;    /* weld_met_image, group after group */
    weld_text story;
} weld_update_record;

weld_update_record weld_update_record_begin(void);
void weld_update_record_free(weld_update_record *r);

/* Append it to an array of bytes, and read it from one. WELD_ERROR_FORMAT: it is none. What is read
 * is freed likewise, after errors too. */
weld_status weld_update_record_pack(const weld_update_record *r, weld_array *bytes,
                                    weld_error *err);
weld_status weld_update_record_read(const void *data, size_t bytes, weld_update_record *out,
                                    weld_error *err);

#endif
