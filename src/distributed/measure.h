/* How fast messages are between the ranks of a group, measured. */
#ifndef WELD_DISTRIBUTED_MEASURE_H
#define WELD_DISTRIBUTED_MEASURE_H

#include "distributed/group.h"

typedef struct weld_group_speed {
    double latency;   /* seconds from one rank to another, of a small message */
    double bandwidth; /* bytes a second that a rank sends, while it gets as many, in an exchange */
} weld_group_speed;

/* In about so many seconds; the same on all ranks. A group of one (NULL): 0 seconds, infinitely
 * many bytes. */
weld_status weld_group_measure(weld_group *g, double seconds, weld_group_speed *out,
                               weld_error *err);

#endif
