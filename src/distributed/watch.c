/* Whether the others are still there; see watch.h. */
#include "distributed/watch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

enum kind { ASK = 1, COMPUTES, WAITS, END }; /* what is said */

/* Another rank. */
typedef struct peer {
    weld_message in, out;
    int32_t heard, said;   /* their data */
    bool saying;           /* out is under way */
    bool ask, answer, end; /* to be said */
    bool told_end;
    double heard_at; /* weld_clock of its latest answer */
    int answered;    /* COMPUTES or WAITS */
    double ended;    /* weld_clock when it said END; 0: it has not */
} peer;

struct weld_watch {
    const weld_transport *transport;
    weld_watch_options o;
    peer *peers; /* by rank; the own one is not used */
    bool waits, ends;
    double looked;         /* weld_clock of the latest look */
    double since;          /* as it waited then, without the time when this process did not run */
    double began;          /* the same with it */
    double asked, noticed; /* weld_clock when it last did so; 0: not while it waits now */
    double give_up;        /* weld_clock when it will; 0: it is not time yet */
};

weld_status weld_message_fail(const weld_watch_options *o, const weld_message *m,
                              const char *reason, weld_error *err) {
    char who[160];
    o->say(o->context, m->peer, who, sizeof who);
    return weld_fail(err, WELD_ERROR_IO, "%s %s", who, reason);
}

weld_status weld_message_start(const weld_transport *t, const weld_watch_options *o,
                               weld_message *m, weld_error *err) {
    weld_error reason = {0};
    const weld_status status =
        m->receive ? t->receive(t->self, m->peer, m->tag, m->data, m->bytes, m, &reason)
                   : t->send(t->self, m->peer, m->tag, m->data, m->bytes, m, &reason);
    return status ? weld_message_fail(o, m, reason.message, err) : WELD_OK;
}

/* --- Messages --------------------------------------------------------------------------------- */

/* The most urgent of what is to be said to p, if nothing is on its way. The end is the last. */
static weld_status say_next(weld_watch *w, peer *p, weld_error *err) {
    bool *what = p->answer ? &p->answer : p->ask ? &p->ask : p->end ? &p->end : NULL;
    if (p->saying || p->told_end || !what) {
        return WELD_OK;
    }
    p->said = what == &p->ask ? ASK : what == &p->end ? END : w->waits ? WAITS : COMPUTES;
    *what = false;
    p->saying = true;
    return weld_message_start(w->transport, &w->o, &p->out, err);
}

static weld_status end_saying(weld_message *m, weld_error *err) {
    weld_watch *w = m->context;
    peer *p = &w->peers[m->peer];
    p->saying = false;
    p->told_end = p->told_end || p->said == END;
    return say_next(w, p, err);
}

static weld_status hear(weld_message *m, weld_error *err) {
    weld_watch *w = m->context;
    peer *p = &w->peers[m->peer];
    switch (p->heard) {
    case ASK:
        p->answer = true;
        break;
    case COMPUTES:
    case WAITS:
        p->answered = p->heard;
        p->heard_at = weld_clock();
        break;
    case END:
        p->ended = weld_clock();
        return WELD_OK;
    default:
        return weld_message_fail(&w->o, m, "sends what has no meaning: is it another weld?", err);
    }
    weld_status status = weld_message_start(w->transport, &w->o, m, err);
    return status ? status : say_next(w, p, err);
}

weld_status weld_watch_open(const weld_transport *t, const weld_watch_options *o, weld_watch **out,
                            weld_error *err) {
    weld_watch *w = weld_alloc(1, sizeof *w);
    peer *peers = weld_alloc((size_t)t->size, sizeof *peers);
    if (!w || !peers) {
        weld_free(w);
        weld_free(peers);
        return weld_fail_memory(err, "the ranks");
    }
    *w = (weld_watch){.transport = t, .o = *o, .peers = peers};
    weld_status status = WELD_OK;
    for (int r = 0; r < t->size && !status; r++) {
        peer *p = &peers[r];
        if (r != t->rank) {
            p->in = p->out = (weld_message){
                .peer = r, .tag = WELD_TAG_WATCH, .bytes = sizeof p->heard, .context = w};
            p->in.receive = true;
            p->in.data = &p->heard;
            p->in.done = hear;
            p->out.data = &p->said;
            p->out.done = end_saying;
            status = weld_message_start(t, o, &p->in, err);
        }
    }
    *out = w; /* on errors too: what has begun is under way */
    return status;
}

void weld_watch_free(weld_watch *w) {
    if (w) {
        weld_free(w->peers);
        weld_free(w);
    }
}

void weld_watch_end(weld_watch *w) {
    weld_error ignored; /* whoever is gone need not hear it */
    w->ends = true;
    for (int r = 0; r < w->transport->size; r++) {
        if (r != w->transport->rank) {
            w->peers[r].end = true;
            (void)say_next(w, &w->peers[r], &ignored);
        }
    }
}

bool weld_watch_ended(const weld_watch *w) {
    bool ended = true;
    for (int r = 0; r < w->transport->size; r++) {
        const peer *p = &w->peers[r];
        ended = ended && (r == w->transport->rank || (p->ended > 0 && p->told_end && !p->saying));
    }
    return ended;
}

int weld_watch_late(const weld_watch *w) {
    for (int r = 0; r < w->transport->size; r++) {
        if (r != w->transport->rank && w->peers[r].ended == 0) {
            return r;
        }
    }
    return -1;
}

/* --- Waiting ---------------------------------------------------------------------------------- */

/* A process that was stopped, and goes on, has not waited meanwhile. */
static void pass_over_gap(weld_watch *w, double now) {
    const double gap = now - w->looked;
    if (w->looked > 0 && gap > 1) {
        w->since += gap;
        w->asked += w->asked > 0 ? gap : 0;
        w->noticed += w->noticed > 0 ? gap : 0;
        w->give_up += w->give_up > 0 ? gap : 0;
        for (int r = 0; r < w->transport->size; r++) {
            peer *p = &w->peers[r];
            p->heard_at += p->heard_at > 0 ? gap : 0;
            p->ended += p->ended > 0 ? gap : 0;
        }
    }
    w->looked = now;
}

/* How often others are asked: several times until something is said. */
static double asking_interval(const weld_watch *w) {
    const double t =
        w->o.timeout > 0 && w->o.timeout < w->o.patience ? w->o.timeout : w->o.patience;
    return t / 6 < 5 ? t / 6 : 5;
}

static weld_status ask_all(weld_watch *w, double now, weld_error *err) {
    weld_status status = WELD_OK;
    w->asked = now;
    for (int r = 0; r < w->transport->size && !status; r++) {
        peer *p = &w->peers[r];
        if (r != w->transport->rank && p->ended == 0) {
            p->ask = true;
            status = say_next(w, p, err);
        }
    }
    return status;
}

static bool answers(const weld_watch *w, const peer *p, double now) {
    return p->heard_at > 0 && now - p->heard_at < 3 * asking_interval(w);
}

/* Whether rank r is missing for this reason; from the worst to the mildest. */
static bool is_missing(const weld_watch *w, const weld_waiting *waiting, int r, int reason,
                       double now) {
    const peer *p = &w->peers[r];
    const bool wanted = waiting->receives[r] > 0;
    if (r == w->transport->rank || p->ended > 0) {
        return false;
    }
    switch (reason) {
    case 0:
        return !answers(w, p, now);
    case 1:
        return wanted && p->answered == COMPUTES;
    case 2:
        return p->answered == COMPUTES;
    default:
        return wanted;
    }
}

/* The rank that keeps all waiting. */
typedef struct missing {
    int rank; /* -1: there is none */
    const char *why;
    bool is_cause; /* it does not itself wait for a third one */
} missing;

/* The lowest that does not answer, else that computes, else that this one waits for. */
static missing find_missing(const weld_watch *w, const weld_waiting *waiting, double now) {
    static const char *const reasons[] = {"it does not answer", "it still computes",
                                          "it still computes", "it waits itself"};
    for (int reason = 0; reason < 4; reason++) {
        for (int r = 0; r < w->transport->size; r++) {
            if (is_missing(w, waiting, r, reason, now)) {
                return (missing){r, reasons[reason], reason < 3};
            }
        }
    }
    return (missing){-1, "something is under way", false};
}

/* That a rank has come to its end may overtake what it has sent before: seconds to allow for it. */
static double overtaking(const weld_watch *w) {
    return w->o.patience / 4 < 1 ? w->o.patience / 4 : 1;
}

/* Of a rank that has come to its end while this one waits for it. */
static weld_status look_for_ended(const weld_watch *w, const weld_waiting *waiting, double now,
                                  weld_error *err) {
    char text[160];
    for (int r = 0; r < w->transport->size; r++) {
        const peer *p = &w->peers[r];
        if (p->ended > 0 && waiting->receives[r] > 0 && now - p->ended > overtaking(w)) {
            return weld_fail(err, WELD_ERROR_IO, "%s has ended the run before its time",
                             w->o.say(w->o.context, r, text, sizeof text));
        }
    }
    return WELD_OK;
}

static const char *say_waiting(const weld_watch *w, const weld_waiting *waiting, double now,
                               missing m, char *text, size_t size) {
    char who[160];
    snprintf(text, size, "waiting for %s since %ld s%s%s: %s",
             m.rank < 0 ? "the others" : w->o.say(w->o.context, m.rank, who, sizeof who),
             (long)(now - w->since), waiting->what[0] ? ", " : "", waiting->what, m.why);
    return text;
}

/* All ranks that wait find the same cause: the lowest of them says so, and ends the run; the others
 * would end it a little later. */
static bool speaks(const weld_watch *w, missing m) {
    return w->transport->rank == (m.rank == 0 ? 1 : 0);
}

static weld_status look_for_timeout(weld_watch *w, const weld_waiting *waiting, double now,
                                    weld_error *err) {
    char text[400];
    if (w->o.timeout <= 0 || now - w->since < w->o.timeout) {
        return WELD_OK;
    }
    const missing m = find_missing(w, waiting, now);
    if (w->give_up == 0) { /* who ends it is not asked again: it may answer no more itself */
        const double grace = w->o.timeout / 2 < 5 ? w->o.timeout / 2 : 5;
        w->give_up = now + (speaks(w, m) && m.is_cause ? 0 : grace);
    }
    return now < w->give_up
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_IO, "%s: given up: --rank-timeout 0 waits for ever",
                           say_waiting(w, waiting, now, m, text, sizeof text));
}

static void look_for_notice(weld_watch *w, const weld_waiting *waiting, double now, char *notice,
                            size_t size) {
    const double begun = w->noticed > 0 ? w->noticed : w->since;
    if (now - begun >= w->o.patience) {
        const missing m = find_missing(w, waiting, now);
        w->noticed = now;
        if (speaks(w, m)) {
            say_waiting(w, waiting, now, m, notice, size);
        }
    }
}

weld_status weld_watch_look(weld_watch *w, const weld_waiting *waiting, char *notice, size_t size,
                            weld_error *err) {
    const double now = weld_clock(), interval = asking_interval(w);
    notice[0] = '\0';
    w->waits = waiting->since > 0;
    pass_over_gap(w, now);
    if (waiting->since != w->began) {
        w->began = w->since = waiting->since;
        w->noticed = w->asked = w->give_up = 0;
    }
    if (!w->waits || w->ends) { /* who has come to its end asks nobody */
        return WELD_OK;
    }
    WELD_TRY(look_for_ended(w, waiting, now, err));
    if (now - w->since > interval && now - w->asked > interval) {
        WELD_TRY(ask_all(w, now, err));
    }
    look_for_notice(w, waiting, now, notice, size);
    return look_for_timeout(w, waiting, now, err);
}
