/* A rank of a test over MPI, which mpirun starts: mpi_ranks WHAT [RANK [TIMEOUT]].
 *   talk         say and hear, exchange gradients, and check all of it
 *   fail RANK    that rank has an error of its own, on which all agree
 *   kill RANK    that rank is killed amid an update
 *   stop RANK    it is stopped amid an update
 *   leave RANK   it ends before the others
 *   late RANK    it is stopped when all is done, and does not end */
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "distributed/group.h"
#include "exchange_job.h"
#include "expect.h"

static void talk(weld_group *g) {
    weld_error err = {0};
    unsigned char *state = weld_alloc(5 << 20, 1), *expected = weld_alloc(5 << 20, 1);
    for (int i = 0; i < 5 << 20; i++) {
        expected[i] = (unsigned char)(i * 31 + i / 251);
        state[i] = weld_group_rank(g) == 0 ? expected[i] : 1;
    }
    EXPECT(!weld_group_broadcast(g, state, 5 << 20, &err));
    EXPECT(!memcmp(state, expected, 5 << 20));
    for (size_t i = 0; i < 20; i++) {
        weld_gathered all;
        const size_t mine = (size_t)weld_group_rank(g) * i * 5000;
        EXPECT(!weld_group_gather(g, expected, mine, &all, &err));
        for (int r = 0; r < all.count; r++) {
            EXPECT(all.bytes[r] == (size_t)r * i * 5000 &&
                   !memcmp(all.data[r], expected, all.bytes[r]));
        }
        weld_gathered_free(&all);
    }
    for (int i = 0; i < 4; i++) {
        job j = plain;
        j.groups = weld_group_size(g) + i / 2 * 3;
        j.large = i % 2;
        exchange_all(g, &j);
    }
    weld_free(state);
    weld_free(expected);
    if (weld_group_rank(g) == 0) {
        printf("%d ranks, %d on this host of %d, %s: all is right\n", weld_group_size(g),
               weld_group_ranks_at(g, weld_group_rank(g)), weld_group_hosts(g),
               weld_group_library(g));
    }
}

/* Updates without end, in the third of which something happens to one rank. */
static weld_status work(weld_group *g, const char *what, int who, weld_error *err) {
    job j = plain;
    weld_tensor gradients[GRADIENTS];
    const weld_tensor *means;
    weld_exchange *x = NULL;
    j.groups = 4;
    weld_status status = create(g, &j, gradients, &x, err);
    for (int64_t update = 0; !status; update++) {
        if (update == 2 && weld_group_rank(g) == who) {
            if (!strcmp(what, "leave")) {
                break;
            }
            raise(!strcmp(what, "kill") ? SIGKILL : SIGSTOP);
        }
        compute(g, x, &j, gradients, update);
        status = weld_exchange_finish(x, &means, err);
    }
    end(x, gradients);
    return status;
}

static void note(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "note: %s\n", text);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    const int who = argc > 2 ? atoi(argv[2]) : -1;
    weld_group_options options = weld_group_defaults();
    options.timeout = argc > 3 ? atof(argv[3]) : 0;
    options.notice = note;
    weld_group *g = NULL;
    weld_error err = {0};
    weld_status status = weld_group_open(&options, &g, &err);
    const bool is_open = !status;
    if (is_open && !strcmp(what, "talk")) {
        talk(g);
    } else if (is_open && !strcmp(what, "fail")) {
        status = weld_group_rank(g) == who ? weld_fail(&err, WELD_ERROR_IO, "disk full") : WELD_OK;
        status = weld_group_agree(g, status, &err);
    } else if (is_open && !strcmp(what, "late")) {
        status = weld_group_agree(g, WELD_OK, &err);
        if (weld_group_rank(g) == who) {
            raise(SIGSTOP);
        }
    } else if (is_open) {
        status = work(g, what, who, &err);
    }
    if (status && (!is_open || weld_group_rank(g) == 0 || weld_group_broken(g))) {
        fprintf(stderr, "error: %s\n", err.message);
    }
    weld_group_free(g);
    return status ? 1 : 0;
}
