/* What a launcher says by the environment; see launch.h. */
#include "distributed/launch.h"

#include <stdlib.h>

/* The first of these variables that is a number. */
static int first_number(const char *const *names, int none) {
    for (; *names; names++) {
        const char *text = getenv(*names);
        char *end;
        const long number = text ? strtol(text, &end, 10) : -1;
        if (number >= 0 && end != text && number <= 1 << 24) {
            return (int)number;
        }
    }
    return none;
}

/* SLURM_NTASKS is no sign: it is set in an allocation in which nothing was started. */
weld_launch weld_launch_find(void) {
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
                                        NULL};
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID", NULL};
    static const char *const heres[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                        "SLURM_LOCALID", NULL};
    const int size = first_number(sizes, getenv("PMIX_RANK") ? 0 : 1);
    weld_launch l = {.size = size, .by_mpirun = getenv("OMPI_COMM_WORLD_SIZE") != NULL};
    if (size != 1) {
        l.rank = first_number(ranks, 0);
        l.here = first_number(heres, 0);
    }
    return l;
}
