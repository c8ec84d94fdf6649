/* Ranks for tests: a function in several processes that are each other's group, over sockets. */
#ifndef WELD_TESTS_RANKS_H
#define WELD_TESTS_RANKS_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "distributed/group.h"
#include "expect.h"
#include "socket_transport.h"

/* What the ranks of a test have in common. */
typedef struct ranks_options {
    int size;
    unsigned disorder;        /* as of socket_ranks */
    const char *const *hosts; /* by rank; NULL: one */
    double patience, timeout; /* 0: 60 and for ever */
} ranks_options;

/* The first rank that finds a fault ends all; others may hear of it by its going, and end the test
 * with this, which says nothing. */
enum { HEARD_OF_IT = 50 };
#define EXPECT_TEXT_OR_GONE(text, part)                                                            \
    do {                                                                                           \
        if (!strstr(text, part)) {                                                                 \
            EXPECT_TEXT(text, ") has gone: ");                                                     \
            exit(HEARD_OF_IT);                                                                     \
        }                                                                                          \
    } while (0)

/* Whether some of the first `count` found it, and no other thing. */
__attribute__((unused)) static bool ranks_found_it(const int *statuses, int count) {
    int found = 0, heard = 0;
    for (int r = 0; r < count; r++) {
        found += statuses[r] == 0;
        heard += statuses[r] == HEARD_OF_IT;
    }
    return found > 0 && found + heard == count;
}

/* How many ranks of the test have come to ranks_meet, in memory that they share. */
static atomic_int *ranks_met;

/* Wait until `count` ranks are here, without a message: for what must not depend on who is first.
 */
__attribute__((unused)) static void ranks_meet(int count) {
    atomic_fetch_add(ranks_met, 1);
    for (int i = 0; i < 20000 && atomic_load(ranks_met) < count; i++) {
        usleep(1000);
    }
    EXPECT(atomic_load(ranks_met) >= count);
}

/* What the latest notice of this rank's group said, and how many there were. */
static char ranks_notice[500];
static int ranks_notices;

static void ranks_note(void *context, const char *text) {
    (void)context;
    ranks_notices++;
    snprintf(ranks_notice, sizeof ranks_notice, "%s", text);
}

static weld_status ranks_open(const ranks_options *o, socket_ranks *sockets, weld_group **g,
                              weld_error *err) {
    const weld_group_options options = {.timeout = o->timeout, .notice = ranks_note};
    return weld_group_open_over(&options, o->patience > 0 ? o->patience : 60, socket_open, sockets,
                                g, err);
}

/* Sockets of rank r; those of others are closed in its process. */
static socket_ranks ranks_sockets(const ranks_options *o, int fds[RANKS_MOST][RANKS_MOST], int r) {
    socket_ranks s = {
        .rank = r, .size = o->size, .disorder = o->disorder ? o->disorder + (unsigned)r : 0};
    for (int i = 0; i < o->size; i++) {
        s.host[i] = o->hosts ? o->hosts[i] : NULL;
        for (int j = 0; j < o->size; j++) {
            if (i == r) {
                s.fd[j] = fds[i][j];
            } else if (i != j) {
                close(fds[i][j]);
            }
        }
    }
    return s;
}

/* Run body(sockets, context) in o->size processes, which it leaves open to itself to make a group
 * of (ranks_open); statuses: what they exit with, 1000 + signal if killed. */
static void run_ranks(const ranks_options *o,
                      void (*body)(const ranks_options *o, socket_ranks *s, void *context),
                      void *context, int *statuses) {
    int fds[RANKS_MOST][RANKS_MOST] = {{0}};
    pid_t children[RANKS_MOST];
    for (int i = 0; i < o->size; i++) {
        for (int j = 0; j < i; j++) {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
                perror("socketpair");
                abort();
            }
            fds[i][j] = pair[0];
            fds[j][i] = pair[1];
        }
    }
    ranks_met =
        mmap(NULL, sizeof *ranks_met, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(NULL);
    for (int r = 0; r < o->size; r++) {
        children[r] = fork();
        if (children[r] == 0) {
            socket_ranks s = ranks_sockets(o, fds, r);
            body(o, &s, context);
            exit(0);
        }
    }
    for (int i = 0; i < o->size; i++) {
        for (int j = 0; j < o->size; j++) {
            if (i != j) {
                close(fds[i][j]);
            }
        }
    }
    for (int r = 0; r < o->size; r++) {
        int status;
        waitpid(children[r], &status, 0);
        statuses[r] = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }
    munmap(ranks_met, sizeof *ranks_met);
}

/* A body of a group that opens and ends as it should. */
typedef void ranks_group_body(weld_group *g, void *context);
typedef struct ranks_group_call {
    ranks_group_body *body;
    void *context;
} ranks_group_call;

static void ranks_call_group(const ranks_options *o, socket_ranks *s, void *context) {
    const ranks_group_call *call = context;
    weld_group *g = NULL;
    weld_error err;
    if (ranks_open(o, s, &g, &err)) {
        fprintf(stderr, "rank %d cannot open its group: %s\n", s->rank, err.message);
        exit(98);
    }
    call->body(g, call->context);
    weld_group_free(g);
}

/* body(group, context) on all ranks of a group, which must end well. */
static bool run_group(const ranks_options *o, ranks_group_body *body, void *context) {
    int statuses[RANKS_MOST];
    ranks_group_call call = {body, context};
    run_ranks(o, ranks_call_group, &call, statuses);
    bool well = true;
    for (int r = 0; r < o->size; r++) {
        if (statuses[r]) {
            fprintf(stderr, "rank %d of %d ended with %d\n", r, o->size, statuses[r]);
            well = false;
        }
    }
    return well;
}

#endif
