/* A command on several ranks: processes that mpirun has started. */
#ifndef WELD_CLI_RANKS_H
#define WELD_CLI_RANKS_H

#include "cli/progress.h"
#include "weld/distributed.h"

/* The group of this process, NULL where it is alone. timeout: seconds, as of weld_group_options. */
weld_status cli_ranks_open(double timeout, cli_progress *progress, weld_group **out,
                           weld_error *err);
/* After all that the command does, which ended with `status`: what ranks end with is said once, and
 * it is the same signal for all where one ended them. Returns status, with *err "" where there is
 * nothing left to say. */
weld_status cli_ranks_close(weld_group *g, weld_status status, weld_error *err);

#endif
