/* Signals that end the program. Most commands end at once and leave no half-written file; where
 * work of hours would be lost, the first signal asks for an orderly end. */
#ifndef WELD_CLI_STOP_H
#define WELD_CLI_STOP_H

#include <stdbool.h>

/* From now on a signal that ends the program also removes the files that are not in place yet. */
void cli_stop_leave_nothing(void);

/* From now on SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU and, unless it is ignored (nohup), SIGHUP
 * set the flag; a second one, but of SIGHUP and SIGXCPU, exits at once with 128 and its number. Of
 * several that a launcher has started the first says so, and no second one but of two SIGINT ends
 * any: launchers send SIGTERM after SIGINT as a habit. */
void cli_stop_catch(void);
/* The same, but only where a launcher has started this: ranks end together. Else a signal ends the
 * program at once, until there is work that would be lost and cli_stop_catch is called. */
void cli_stop_catch_launched(void);
/* Also where the launcher of this one rank has gone: that counts as SIGTERM. */
bool cli_stop_requested(void *unused); /* as those want it who ask it in between */
/* From now on no signal is answered by words. */
void cli_stop_say_nothing(void);
/* The signal that asked for the end, 0: none has; and one that has asked another rank. */
int cli_stop_signal(void);
void cli_stop_follow(int number);
int cli_stop_status(void); /* of a program that ends early because it was asked to */

#endif
