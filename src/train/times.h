/* Where the time of updates went, part by part: see weld_train_times. */
#ifndef WELD_TRAIN_TIMES_H
#define WELD_TRAIN_TIMES_H

#include "weld/train.h"

enum { WELD_TIMES_MAX = 7 };

typedef struct weld_times_part {
    const char *name; /* "wait", "decode", ... as the struct's members */
    double seconds;
} weld_times_part;

/* The parts in the order in which they happen, into parts[WELD_TIMES_MAX]; returns how many there
 * are, for the teacher is left out where it took no time. */
int weld_times_parts(const weld_train_times *t, weld_times_part *parts);

void weld_times_add(weld_train_times *to, const weld_train_times *t);

#endif
