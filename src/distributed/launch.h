/* What a launcher (mpirun, srun) has said of this process by its environment, before there is any
 * MPI. */
#ifndef WELD_DISTRIBUTED_LAUNCH_H
#define WELD_DISTRIBUTED_LAUNCH_H

#include <stdbool.h>

typedef struct weld_launch {
    int size; /* of ranks; 1: no launcher, or this one alone; 0: by one that does not say how many
               */
    int rank, here; /* the number of this one, and among those of its host; 0: it is not said */
    bool by_mpirun; /* Open MPI's, one rank or several */
} weld_launch;

weld_launch weld_launch_find(void);

#endif
