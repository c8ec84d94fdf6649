/* Signals that end the program; see stop.h. */
#include "cli/stop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "distributed/launch.h"
#include "formats/unfinished.h"

static volatile sig_atomic_t requested;          /* the signal */
static volatile sig_atomic_t is_rank, is_silent; /* one of several; and another than the first */
static pid_t launcher; /* mpirun, or its daemon, that started this as the only rank; 0: none */

/* The signal comes once more, and by then does what it does by default: who waits for the program
 * sees what ended it. */
static void remove_and_end(int number) {
    weld_unfinished_unlink();
    raise(number);
}

void cli_stop_leave_nothing(void) {
    static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct sigaction action;
        if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) { /* nohup */
            action.sa_handler = remove_and_end;
            action.sa_flags = (int)SA_RESETHAND;
            sigfillset(&action.sa_mask);
            sigaction(ending[i], &action, NULL);
        }
    }
}

static void say(const char *text) {
    const ssize_t written = is_silent ? 0 : write(STDERR_FILENO, text, strlen(text));
    (void)written; /* where stderr is gone there is nobody to tell */
}

/* A terminal that is closed sends SIGHUP, and so does the shell in it; the kernel repeats SIGXCPU
 * every second. */
static bool comes_twice(int number) {
    return number == SIGHUP || number == SIGXCPU;
}

static void on_signal(int number) {
    const bool again = requested && !comes_twice(number) &&
                       (!is_rank || (requested == SIGINT && number == SIGINT));
    if (again) {
        weld_unfinished_unlink();
        _exit(CLI_SIGNALLED + number);
    }
    if (!requested) {
        say("\nweld: stopping after this step; again to stop now\n");
    }
    requested = requested ? requested : number;
}

/* Also those that schedulers send some time before the end. */
void cli_stop_catch(void) {
    static const int asking[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
    struct sigaction action, before;
    const weld_launch launch = weld_launch_find();
    is_rank = launch.size != 1;
    if (!launcher && launch.by_mpirun && !is_rank) { /* when called again it may have gone */
        launcher = getppid();
    }
    is_silent = !cli_speaks();
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
        const bool is_nohup = asking[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
                              before.sa_handler == SIG_IGN;
        if (!is_nohup) {
            sigaction(asking[i], &action, NULL);
        }
    }
}

void cli_stop_catch_launched(void) {
    const weld_launch launch = weld_launch_find();
    if (launch.by_mpirun || launch.size != 1) {
        cli_stop_catch();
    }
}

/* Several ranks are ended by MPI where their launcher is killed. One rank knows nothing of MPI, and
 * would train on, of which nobody knew. */
static void look_for_launcher(void) {
    if (launcher && !requested && getppid() != launcher) {
        say("weld: mpirun has gone: stopping after this step\n");
        requested = SIGTERM;
    }
}

bool cli_stop_requested(void *unused) {
    (void)unused;
    look_for_launcher();
    return requested != 0;
}

void cli_stop_say_nothing(void) {
    is_silent = true;
}

int cli_stop_signal(void) {
    return requested;
}

void cli_stop_follow(int number) {
    requested = number;
}

int cli_stop_status(void) {
    return CLI_SIGNALLED + (requested ? requested : SIGINT);
}
