/* Threads of ranks; see rank_threads.h. */
#define _GNU_SOURCE
#include "distributed/rank_threads.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"
#include "distributed/launch.h"

/* What a rank may use. */
typedef struct place {
    cpu_set_t cpus;
    int asked, quota, omp; /* 0: not said */
    int launcher;          /* cpus of its host that mpirun may use; 0: another started it */
} place;

/* What a rank would have without being bound: mpirun may have been given a part of the host. */
static int launcher_cpus(void) {
    cpu_set_t cpus;
    return weld_launch_find().by_mpirun && sched_getaffinity(getppid(), sizeof cpus, &cpus) == 0
               ? CPU_COUNT(&cpus)
               : 0;
}

static place find_place(int asked) {
    const weld_thread_limits limits = weld_threads_limits();
    place p = {
        .asked = asked, .quota = limits.cgroup, .omp = limits.omp, .launcher = launcher_cpus()};
    if (sched_getaffinity(0, sizeof p.cpus, &p.cpus) != 0) {
        CPU_ZERO(&p.cpus);
    }
    return p;
}

static bool share_cpus(const weld_group *g, const place *places, int a, int b) {
    cpu_set_t both;
    CPU_AND(&both, &places[a].cpus, &places[b].cpus);
    return weld_group_host(g, a) == weld_group_host(g, b) && CPU_COUNT(&both) > 0;
}

static int least_of(int a, int limit) {
    return limit > 0 && limit < a ? limit : a;
}

/* cpus are shared by those that may use the same, a cgroup's quota by all on the host: bound ranks
 * too. */
static int threads_of(const weld_group *g, const place *places, int rank) {
    const place *p = &places[rank];
    int sharing = 0;
    for (int i = 0; i < weld_group_size(g); i++) {
        sharing += i == rank || share_cpus(g, places, i, rank);
    }
    const int own = CPU_COUNT(&p->cpus) / sharing, here = weld_group_ranks_at(g, rank);
    const int cpus = p->quota > 0 ? least_of(own, p->quota / here) : own;
    return p->asked ? p->asked : least_of(cpus > 1 ? cpus : 1, p->omp);
}

/* --- What a person should know --- */

/* Of rank 0's host, as others are mostly like it. */
static void advise(const weld_group *g, const place *places, const int *threads,
                   weld_rank_threads *all) {
    const int here = weld_group_ranks_at(g, 0), cpus = CPU_COUNT(&places[0].cpus);
    cpu_set_t of_host;
    CPU_ZERO(&of_host);
    int busy = 0;
    for (int i = 0; i < weld_group_size(g); i++) {
        if (weld_group_host(g, i) == weld_group_host(g, 0)) {
            CPU_OR(&of_host, &of_host, &places[i].cpus);
            busy += threads[i];
        }
    }
    const int used = CPU_COUNT(&of_host);
    if (cpus > 0 && cpus < places[0].launcher / here) {
        weld_append(all->advice, sizeof all->advice,
                    "each rank may use %d of %d cpus: mpirun bound it: add --bind-to none\n", cpus,
                    places[0].launcher);
    }
    all->crowded = used > 0 && busy > used;
    if (all->crowded) {
        weld_append(all->advice, sizeof all->advice,
                    "%d ranks share %d cpu%s of their host with %d threads: they are no faster "
                    "than fewer\n",
                    here, used, used == 1 ? "" : "s", busy);
    }
}

static weld_status share_out(const weld_group *g, const weld_gathered *said, int *threads,
                             weld_rank_threads *all, weld_error *err) {
    place *places = weld_alloc((size_t)said->count, sizeof *places);
    if (!places) {
        return weld_fail_memory(err, "ranks");
    }
    for (int i = 0; i < said->count; i++) {
        memcpy(&places[i], said->data[i],
               said->bytes[i] < sizeof *places ? said->bytes[i] : sizeof *places);
    }
    for (int i = 0; i < said->count; i++) {
        threads[i] = threads_of(g, places, i);
        all->least = i == 0 || threads[i] < all->least ? threads[i] : all->least;
        all->most = threads[i] > all->most ? threads[i] : all->most;
    }
    advise(g, places, threads, all);
    weld_free(places);
    return WELD_OK;
}

weld_status weld_rank_threads_settle(weld_group *g, int asked, int *threads, weld_rank_threads *all,
                                     weld_error *err) {
    const place mine = find_place(asked);
    const size_t ranks = (size_t)weld_group_size(g);
    weld_gathered said = {0};
    int *by_rank = weld_alloc(ranks, sizeof *by_rank);
    *all = (weld_rank_threads){.advice = ""};
    weld_status status = by_rank ? WELD_OK : weld_fail_memory(err, "ranks");
    status = status ? status : weld_group_gather(g, &mine, sizeof mine, &said, err);
    if (!status && weld_group_rank(g) == 0) {
        status = share_out(g, &said, by_rank, all, err);
    }
    weld_gathered_free(&said);
    status = status ? weld_group_break(g, status, err)
                    : weld_group_broadcast(g, by_rank, ranks * sizeof *by_rank, err);
    if (!status) {
        *threads = by_rank[weld_group_rank(g)];
    }
    weld_free(by_rank);
    return status;
}

const char *weld_rank_threads_text(const weld_group *g, const weld_rank_threads *all, char *text,
                                   size_t size) {
    const int hosts = weld_group_hosts(g);
    snprintf(text, size, "%d ranks on %d host%s, ", weld_group_size(g), hosts,
             hosts == 1 ? "" : "s");
    return all->least == all->most
               ? weld_append(text, size, "%d thread%s each", all->most, all->most == 1 ? "" : "s")
               : weld_append(text, size, "%d to %d threads each", all->least, all->most);
}
