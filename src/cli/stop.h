/* Ctrl-C, SIGTERM and SIGUSR1: the first asks for an orderly end, the second ends at once. */
#ifndef WELD_CLI_STOP_H
#define WELD_CLI_STOP_H

#include <stdbool.h>

/* From now on these signals set the flag; a second one exits with status 130, 143 or 138. */
void cli_stop_catch(void);
bool cli_stop_requested(void *unused); /* as those want it who ask it in between */
int cli_stop_status(void);             /* of a program that ends early because it was asked to */

#endif
