/* Ctrl-C, SIGTERM and SIGUSR1; see stop.h. */
#include "cli/stop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static volatile sig_atomic_t requested; /* the signal */

static void on_signal(int number) {
    if (requested) {
        _exit(CLI_SIGNALLED + number);
    }
    requested = number;
    static const char text[] = "\nweld: stopping after this step; again to stop now\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* where stderr is gone there is nobody to tell */
}

void cli_stop_catch(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL); /* schedulers send it some time before the end */
}

bool cli_stop_requested(void *unused) {
    (void)unused;
    return requested != 0;
}

int cli_stop_status(void) {
    return CLI_SIGNALLED + (requested ? requested : SIGINT);
}
