/* What a group is made of, for the files of this room. */
#ifndef WELD_DISTRIBUTED_GROUP_STATE_H
#define WELD_DISTRIBUTED_GROUP_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "distributed/group.h"
#include "distributed/progress.h"

/* A rank, as the others know it. */
typedef struct card {
    atomic_bool known; /* the rest is filled in */
    int32_t pid, host;
    char host_name[64];
} card;

/* What goes before what is said: so ranks that do not do the same notice it at the first
 * difference. */
typedef struct weld_said {
    uint32_t function, call; /* who says it, and the how manieth call of all it is */
    uint64_t bytes;          /* that follow */
} weld_said;

struct weld_group {
    weld_progress *progress;
    int rank, size;
    card *cards; /* by rank */
    atomic_bool has_cards;
    struct letter *letters; /* by rank, when they met */
    weld_message *messages; /* [rank][2] */
    weld_pending pending;   /* of the call that is being made */
    int next_tag;           /* of exchanges */
    uint32_t calls;
    char doing[64];
    weld_said *heads; /* by rank */
    /* What is being gathered: this rank's part of it. */
    weld_message saying[2];
    weld_said said_head;
    void *said;
    weld_pending said_pending;
};

#endif
