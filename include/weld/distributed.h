/* Several processes that compute together.
 *
 * A launcher (mpirun, srun) starts the same program several times, on one host or on many. These
 * are its ranks, 0 and up. A program that is to train over them opens their group first of all:
 *
 *     weld_group *group;
 *     weld_group_open(NULL, &group, &err);
 *     ... everything, the same calls on every rank ...
 *     weld_group_free(group);
 *
 * Messages go by MPI. libweld does not link it: a module does, weld_mpi.so, which is opened where
 * the environment says that a launcher started this process. One thread of the group's own makes
 * all calls of MPI, from its start to its end, so that the program must make none.
 */
#ifndef WELD_DISTRIBUTED_H
#define WELD_DISTRIBUTED_H

#include "weld/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weld_group weld_group;

typedef struct weld_group_options {
    /* 600: seconds that a rank waits for another before all of them are ended; 0: for ever. */
    double timeout;
    /* NULL; called within a function of the group that waits, each minute that it does, with a line
     * that says for whom. Of all ranks that wait for the same one the lowest is called. Within
     * weld_group_open too, with what has failed where all ranks are then ended. */
    void (*notice)(void *context, const char *text);
    void *context;
    void *reserved[4]; /* NULL */
} weld_group_options;

WELD_API weld_group_options weld_group_defaults(void);

/* *out is NULL, which is a group of one, where no launcher started this process, or started one
 * alone. options NULL: the defaults.
 *
 * The module is the file that WELD_MPI names, else weld/weld_mpi.so in the folder of libraries that
 * weld was installed to, or that of a build folder that this code is in. WELD_ERROR_NOT_FOUND:
 * there is none; WELD_ERROR_FORMAT: it is none of weld's, or of another version of it;
 * WELD_ERROR_IO: it cannot be loaded, its MPI is not that of the launcher, or ranks cannot reach
 * each other; WELD_ERROR_ARGUMENT: the program uses MPI itself; WELD_ERROR_MEMORY. */
WELD_API weld_status weld_group_open(const weld_group_options *options, weld_group **out,
                                     weld_error *err);
/* All ranks free it when all are done with it. Where one does not answer any more, or has gone, or
 * does not free it within the time-out, all are ended, this process with them: print what there is
 * to say before. Accepts NULL. */
WELD_API void weld_group_free(weld_group *g);

WELD_API int weld_group_rank(const weld_group *g); /* NULL: 0 */
WELD_API int weld_group_size(const weld_group *g); /* NULL: 1 */

#ifdef __cplusplus
}
#endif
#endif
