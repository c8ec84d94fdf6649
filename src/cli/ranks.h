/* A command on several ranks: processes that mpirun has started. */
#ifndef WELD_CLI_RANKS_H
#define WELD_CLI_RANKS_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "weld/distributed.h"

/* An entry of commands' tables. */
#define CLI_RANK_TIMEOUT(seconds)                                                                  \
    {                                                                                              \
        "rank-timeout", 0, CLI_SECONDS, &(seconds), "SECONDS",                                     \
            "under mpirun: end all where one is waited for so long, computing or not (600; 0: "    \
            "never)",                                                                              \
            .own = true                                                                            \
    }
#define CLI_RANK_THREADS(threads)                                                                  \
    {                                                                                              \
        "threads", 0, CLI_THREADS, &(threads), "N", "threads (all); of each rank under mpirun",    \
            .own = true                                                                            \
    }

/* Wrong usage where a launcher has started several: "WHAT on one process: start it ...". */
void cli_ranks_refuse(const cli_call *call, const char *what);

/* The group of this process, NULL where it is alone. timeout: seconds, as of weld_group_options. */
weld_status cli_ranks_open(double timeout, cli_progress *progress, weld_group **out,
                           weld_error *err);
/* The same for a command whose work they share out, as it was called: all were called alike, and
 * *threads, what was asked for, is what each has; rank 0 says how many there are. From now on
 * signals ask for the end of the work (cli_stop_catch). Where it fails the group is closed. */
weld_status cli_ranks_begin(const cli_call *call, double timeout, cli_progress *progress,
                            int *threads, weld_group **out, weld_error *err);
/* After all that the command does, which ended with `status`: what ranks end with is said once, and
 * it is the same signal for all where one ended them. Returns status, with *err "" where there is
 * nothing left to say. */
weld_status cli_ranks_close(weld_group *g, weld_status status, weld_error *err);

#endif
