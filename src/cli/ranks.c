/* A command on several ranks; see ranks.h. */
#include "cli/ranks.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/stop.h"
#include "distributed/group.h"
#include "distributed/launch.h"
#include "distributed/rank_threads.h"

void cli_ranks_refuse(const cli_call *call, const char *what) {
    if (weld_launch_find().size != 1) {
        cli_usage(call, "%s on one process: start it without mpirun", what);
    }
}

/* What is wrong here is so, as a rule, on all ranks of a host: its first one says it and ends, and
 * the launcher ends the others. One that is still there by then is the only one: it says it too. */
static void say_once(weld_status status, weld_error *err) {
    const weld_launch l = weld_launch_find();
    const struct timespec turn = {0, 20000000};
    for (int i = 0; l.here > 0 && i < 100 && !cli_stop_requested(NULL); i++) {
        nanosleep(&turn, NULL);
    }
    if (l.here > 0 && cli_stop_requested(NULL)) {
        err->message[0] = '\0';
    } else if (l.rank > 0) {
        weld_fail_context(err, status, "rank %d", l.rank);
    }
}

weld_status cli_ranks_open(double timeout, cli_progress *progress, weld_group **out,
                           weld_error *err) {
    weld_group_options options = weld_group_defaults();
    options.timeout = timeout;
    options.notice = cli_message;
    options.context = progress;
    const weld_status status = weld_group_open(&options, out, err);
    if (status) {
        say_once(status, err);
    }
    return status;
}

static void say_ranks(const weld_group *g, const weld_rank_threads *all) {
    char text[sizeof all->advice];
    if (weld_group_rank(g) == 0) {
        cli_message(NULL, weld_rank_threads_text(g, all, text, sizeof text));
        for (const char *at = all->advice; *at;) {
            at = weld_take_line(at, text, sizeof text);
            cli_message(NULL, text);
        }
    }
}

/* The arguments, and then the options. */
static weld_status compare_calls(weld_group *g, const cli_call *call, weld_error *err) {
    weld_call mine = WELD_CALL;
    for (int i = 0; i < call->count; i++) {
        weld_call_add(&mine, call->arguments[i]);
    }
    mine.failed |= call->given.failed ||
                   !weld_array_append(&mine.bytes, call->given.bytes.data, call->given.bytes.count);
    const weld_status status = weld_call_compare(g, &mine, err);
    weld_call_free(&mine);
    return status;
}

weld_status cli_ranks_begin(const cli_call *call, double timeout, cli_progress *progress,
                            int *threads, weld_group **out, weld_error *err) {
    weld_rank_threads all;
    WELD_TRY(cli_ranks_open(timeout, progress, out, err));
    if (!*out) {
        return WELD_OK;
    }
    cli_stop_catch();
    weld_group_doing(*out, "the start");
    weld_status status = compare_calls(*out, call, err);
    status = status ? status : weld_rank_threads_settle(*out, *threads, threads, &all, err);
    if (status) {
        return cli_ranks_close(*out, status, err);
    }
    say_ranks(*out, &all);
    return WELD_OK;
}

/* Ranks stop after the same update, but perhaps one alone has got the signal. */
static weld_status agree_on_signal(weld_group *g, weld_error *err) {
    const int own = cli_stop_signal();
    int first = 0;
    weld_gathered all;
    WELD_TRY(weld_group_gather(g, &own, sizeof own, &all, err));
    for (int i = all.count - 1; i >= 0; i--) {
        const int signal = *(const int *)all.data[i];
        first = signal ? signal : first;
    }
    weld_gathered_free(&all);
    WELD_TRY(weld_group_broadcast(g, &first, sizeof first, err));
    cli_stop_follow(first);
    return WELD_OK;
}

/* Is it a failure of this rank's own that all say? It may have been agreed on before. */
static bool is_told(const weld_group *g, const weld_error *own, const weld_error *told) {
    weld_error as_told = *own;
    weld_group_fail_at(g, weld_group_rank(g), own->status, &as_told);
    return strcmp(own->message, told->message) == 0 || strcmp(as_told.message, told->message) == 0;
}

weld_status cli_ranks_close(weld_group *g, weld_status status, weld_error *err) {
    if (!g) {
        return status;
    }
    weld_error own = *err;
    own.status = status;
    status = weld_group_agree(g, status, err);
    if (own.status && own.message[0] && !is_told(g, &own, err)) {
        cli_message(NULL, own.message); /* of which the others have not heard */
    }
    if (status == WELD_ERROR_INTERRUPTED) {
        const weld_status agreed = agree_on_signal(g, err);
        status = agreed ? agreed : status;
    }
    /* As soon as one has ended the launcher sends signals to the others, and soon kills them. */
    cli_stop_say_nothing();
    const bool speaks = weld_group_rank(g) == 0 || weld_group_broken(g);
    if (status && speaks && err->message[0]) {
        cli_message(NULL, err->message);
    }
    err->message[0] = '\0';
    cli_flush_output();
    weld_group_free(g);
    return status;
}
