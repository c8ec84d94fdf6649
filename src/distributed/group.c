/* The ranks of a run as one thing: opening it, who and where; see group.h. What they say is in
 * talk.c. */
#define _GNU_SOURCE
#include "distributed/group.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "distributed/group_state.h"

/* --- Who and where ---------------------------------------------------------------------------- */

int weld_group_rank(const weld_group *g) {
    return g ? g->rank : 0;
}

int weld_group_size(const weld_group *g) {
    return g ? g->size : 1;
}

int weld_group_hosts(const weld_group *g) {
    int hosts = g ? 0 : 1;
    for (int r = 0; g && r < g->size; r++) {
        hosts += g->cards[r].host == r;
    }
    return hosts;
}

int weld_group_host(const weld_group *g, int rank) {
    return g ? g->cards[rank].host : 0;
}

/* Ranks below `end` on the host of `rank`. */
static int count_at(const weld_group *g, int rank, int end) {
    int count = 0;
    for (int r = 0; r < end; r++) {
        count += g->cards[r].host == g->cards[rank].host;
    }
    return count;
}

int weld_group_ranks_at(const weld_group *g, int rank) {
    return g ? count_at(g, rank, g->size) : 1;
}

int weld_group_index_here(const weld_group *g) {
    return g ? count_at(g, g->rank, g->rank) : 0;
}

const char *weld_group_library(const weld_group *g) {
    return g ? weld_progress_transport(g->progress)->library : "";
}

const char *weld_group_say_where(const weld_group *g, int rank, char *text, size_t size) {
    if (g && atomic_load(&g->cards[rank].known)) {
        snprintf(text, size, "rank %d (%s)", rank, g->cards[rank].host_name);
    } else {
        snprintf(text, size, "rank %d", rank);
    }
    return text;
}

weld_status weld_group_fail_at(const weld_group *g, int rank, weld_status status, weld_error *err) {
    char where[120];
    return rank > 0 ? weld_fail_context(err, status, "%s",
                                        weld_group_say_where(g, rank, where, sizeof where))
                    : status;
}

weld_status weld_group_fail_strange(const weld_group *g, int rank, weld_error *err) {
    weld_fail(err, WELD_ERROR_FORMAT, "says what no rank says");
    return weld_group_fail_at(g, rank, WELD_ERROR_FORMAT, err);
}

static const char *say_peer(void *context, int rank, char *text, size_t size) {
    const weld_group *g = context;
    if (!atomic_load(&g->has_cards) || !atomic_load(&g->cards[rank].known)) {
        snprintf(text, size, "rank %d", rank);
    } else {
        snprintf(text, size, "rank %d (%s, pid %d)", rank, g->cards[rank].host_name,
                 (int)g->cards[rank].pid);
    }
    return text;
}

void weld_group_doing(weld_group *g, const char *what) {
    if (g) {
        snprintf(g->doing, sizeof g->doing, "%s", what);
    }
}

weld_status weld_group_break(weld_group *g, weld_status status, weld_error *err) {
    return g ? weld_progress_fail(g->progress, status, err) : status;
}

bool weld_group_broken(const weld_group *g) {
    return g && weld_progress_status(g->progress, NULL) != WELD_OK;
}

double weld_group_waited(const weld_group *g) {
    return g ? weld_progress_waited(g->progress) : 0;
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* What ranks tell each other when they meet. */
struct letter {
    char magic[8], version[24], host_name[64];
    int32_t pid, host;
};
typedef struct letter letter;

static const char MAGIC[8] = "weld 1";

static weld_status read_letter(weld_message *m, weld_error *err) {
    weld_group *g = m->context;
    letter *l = m->data;
    l->host_name[sizeof l->host_name - 1] = l->version[sizeof l->version - 1] = '\0';
    if (memcmp(l->magic, MAGIC, sizeof MAGIC) != 0 || l->host < 0 || l->host >= g->size) {
        return weld_fail(err, WELD_ERROR_IO, "rank %d is another program than weld %s", m->peer,
                         WELD_VERSION);
    }
    if (strcmp(l->version, WELD_VERSION) != 0) {
        return weld_fail(err, WELD_ERROR_IO, "rank %d (%s) is weld %s, rank %d is weld %s", m->peer,
                         l->host_name, l->version, g->rank, WELD_VERSION);
    }
    card *c = &g->cards[m->peer];
    memcpy(c->host_name, l->host_name, sizeof c->host_name);
    c->pid = l->pid;
    c->host = l->host;
    atomic_store(&c->known, true);
    return WELD_OK;
}

/* The lowest rank that this one has not heard of. */
static weld_status fail_to_meet(weld_group *g, double patience, weld_error *err) {
    char first[120], second[120];
    int missing = 0;
    while (missing < g->size - 1 && (missing == g->rank || atomic_load(&g->cards[missing].known))) {
        missing++;
    }
    const int low = missing < g->rank ? missing : g->rank, high = missing + g->rank - low;
    weld_fail(err, WELD_ERROR_IO,
              "%s and %s cannot reach each other within %ld s: several networks? (mpirun --mca "
              "btl_tcp_if_include 10.0.0.0/8 names the one to use)",
              weld_group_say_where(g, low, first, sizeof first),
              weld_group_say_where(g, high, second, sizeof second), (long)patience);
    return weld_progress_fail(g->progress, WELD_ERROR_IO, err);
}

static letter letter_of(const weld_transport *t) {
    letter l = {.pid = (int32_t)getpid(), .host = t->host};
    memcpy(l.magic, MAGIC, sizeof l.magic);
    snprintf(l.version, sizeof l.version, "%s", WELD_VERSION);
    snprintf(l.host_name, sizeof l.host_name, "%s", t->host_name);
    return l;
}

/* Every two ranks write each other. */
static weld_status meet(weld_group *g, double patience, weld_error *err) {
    const double until = weld_clock() + patience;
    letter *mine = &g->letters[g->rank];
    *mine = letter_of(weld_progress_transport(g->progress));
    card *c = &g->cards[g->rank];
    memcpy(c->host_name, mine->host_name, sizeof c->host_name);
    c->pid = mine->pid;
    c->host = mine->host;
    atomic_store(&c->known, true);
    for (int r = 0; r < g->size; r++) {
        if (r != g->rank) {
            weld_message *m = &g->messages[2 * r];
            m[0] = m[1] = (weld_message){.peer = r,
                                         .tag = WELD_TAG_GROUP,
                                         .bytes = sizeof(letter),
                                         .context = g,
                                         .pending = &g->pending};
            m[0].data = mine;
            m[1].receive = true;
            m[1].data = &g->letters[r];
            m[1].done = read_letter;
            weld_progress_post(g->progress, &m[0]);
            weld_progress_post(g->progress, &m[1]);
        }
    }
    if (!weld_progress_wait_until(g->progress, &g->pending, "the start", until)) {
        return fail_to_meet(g, patience, err);
    }
    return weld_progress_status(g->progress, err);
}

weld_group_options weld_group_defaults(void) {
    return (weld_group_options){.timeout = 600};
}

weld_status weld_group_open_over(const weld_group_options *options, double patience,
                                 weld_transport_opener *opener, void *argument, weld_group **out,
                                 weld_error *err) {
    const weld_group_options o = options ? *options : weld_group_defaults();
    weld_group *g = weld_alloc(1, sizeof *g);
    if (!g) {
        return weld_fail_memory(err, "the ranks");
    }
    *g = (weld_group){.next_tag = WELD_TAG_FREE};
    const weld_progress_options progress = {
        .watch = {.patience = patience, .timeout = o.timeout, .say = say_peer, .context = g},
        .notice = o.notice,
        .context = o.context};
    weld_status status = weld_progress_start(opener, argument, &progress, &g->progress, err);
    if (!status) {
        const weld_transport *t = weld_progress_transport(g->progress);
        g->rank = t->rank;
        g->size = t->size;
        g->cards = weld_alloc((size_t)t->size, sizeof *g->cards);
        g->letters = weld_alloc((size_t)t->size, sizeof *g->letters);
        g->messages = weld_alloc(2 * (size_t)t->size, sizeof *g->messages);
        g->heads = weld_alloc((size_t)t->size, sizeof *g->heads);
        const bool lacks = !g->cards || !g->letters || !g->messages || !g->heads;
        atomic_store(&g->has_cards, !lacks);
        status = lacks ? weld_progress_fail(g->progress, weld_fail_memory(err, "the ranks"), err)
                       : meet(g, patience, err);
    }
    if (status) {
        if (g->progress && o.notice) {
            o.notice(o.context, err->message);
        }
        weld_group_free(g);
        return status;
    }
    *out = g;
    return WELD_OK;
}

void weld_group_free(weld_group *g) {
    if (g) {
        weld_progress_stop(g->progress);
        weld_free(g->cards);
        weld_free(g->letters);
        weld_free(g->messages);
        weld_free(g->heads);
        weld_free(g->said);
        weld_free(g);
    }
}
