/* What ranks settle between them; see ranks.h. */
#include "train/ranks.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/say.h"
#include "train/trainer.h"

/* --- Who speaks --- */

static void keep_line(weld_ranks *r, const char *line) {
    if (r->opening) {
        weld_text_add(&r->said, line);
        weld_text_add(&r->said, "\n");
    }
}

static void on_started(void *context, const weld_train_start *start) {
    const weld_train_callbacks *c = &((weld_ranks *)context)->caller;
    c->started(c->context, start);
}

static void on_stepped(void *context, const weld_train_progress *progress) {
    const weld_train_callbacks *c = &((weld_ranks *)context)->caller;
    c->stepped(c->context, progress);
}

static void on_evaluated(void *context, const weld_train_evaluation *evaluation) {
    const weld_train_callbacks *c = &((weld_ranks *)context)->caller;
    c->evaluated(c->context, evaluation);
}

static void on_message(void *context, const char *text) {
    weld_ranks *r = context;
    keep_line(r, text);
    if (weld_group_rank(r->group) == 0 && r->caller.message) {
        r->caller.message(r->caller.context, text);
    }
}

static bool on_stop(void *context) {
    const weld_train_callbacks *c = &((weld_ranks *)context)->caller;
    return c->stop(c->context);
}

void weld_ranks_begin(weld_ranks *r, weld_train_settings *settings) {
    *r = (weld_ranks){.group = settings->group,
                      .mixed = settings->group && settings->mixed,
                      .doubts = WELD_DOUBTS,
                      .caller = settings->callbacks,
                      .said = WELD_TEXT};
    if (r->group) {
        const weld_train_callbacks *c = &r->caller;
        const bool speaks = weld_group_rank(r->group) == 0;
        r->opening = true;
        settings->callbacks =
            (weld_train_callbacks){.context = r,
                                   .started = speaks && c->started ? on_started : NULL,
                                   .stepped = speaks && c->stepped ? on_stepped : NULL,
                                   .evaluated = speaks && c->evaluated ? on_evaluated : NULL,
                                   .message = on_message,
                                   .stop = c->stop ? on_stop : NULL};
    }
}

weld_status weld_ranks_take_threads(weld_ranks *r, weld_train_settings *settings, weld_error *err) {
    const bool leads = weld_group_rank(r->group) == 0;
    if (!r->group) {
        return WELD_OK;
    }
    r->times = leads ? weld_alloc((size_t)weld_group_size(r->group), sizeof *r->times) : NULL;
    return leads && !r->times ? weld_group_break(r->group, weld_fail_memory(err, "ranks"), err)
                              : weld_rank_threads_settle(r->group, settings->threads,
                                                         &settings->threads, &r->threads, err);
}

void weld_ranks_opened(weld_ranks *r) {
    r->opening = false;
    r->waited = weld_group_waited(r->group);
    r->began = weld_clock();
    weld_text_free(&r->said);
}

void weld_ranks_free(weld_ranks *r) {
    weld_ranks_opened(r);
    weld_free(r->times);
    weld_doubts_free(&r->doubts);
}

/* --- Who writes --- */

bool weld_ranks_writes(const weld_trainer *t) {
    return t->record.folder.lock >= 0 && !t->ranks.failure.status;
}

weld_status weld_ranks_wrote(weld_trainer *t, weld_status status, weld_error *err) {
    if (!t->ranks.group) {
        return status;
    }
    if (status) {
        weld_fail(&t->ranks.failure, status, "%s", err ? err->message : "");
    }
    return WELD_OK;
}

/* --- Settling --- */

bool weld_ranks_stop(const weld_trainer *t) {
    return t->ranks.group ? t->ranks.stop : weld_train_stop_asked(t->data.settings);
}

/* What each rank says, before the lines; and what rank 0 answers. */
typedef struct word {
    weld_error err;
    bool stop;
} word;

static bool has_line(const char *text, const char *line) {
    const size_t length = strlen(line);
    for (const char *at = strstr(text, line); at; at = strstr(at + 1, line)) {
        if ((at == text || at[-1] == '\n') && at[length] == '\n') {
            return true;
        }
    }
    return false;
}

/* What a rank has said and rank 0 has not. */
static void tell_lines(weld_trainer *t, int rank, const char *lines) {
    char where[96], line[WELD_ERROR_MESSAGE_SIZE];
    weld_group_say_where(t->ranks.group, rank, where, sizeof where);
    while (*lines) {
        lines = weld_take_line(lines, line, sizeof line);
        if (!has_line(weld_text_get(&t->ranks.said), line)) {
            weld_train_say(t->data.settings, "%s: %s", where, line);
        }
    }
}

/* Words of all ranks, in order, into one. Each ends with a zero behind its lines. One that does not
 * is a failure like those that they tell of. */
static void listen(weld_trainer *t, const weld_gathered *all, word *out) {
    *out = (word){.stop = false};
    for (int rank = 0; rank < all->count; rank++) {
        const char *data = all->data[rank];
        word one;
        if (all->bytes[rank] <= sizeof one || data[all->bytes[rank] - 1] != 0) {
            weld_group_fail_strange(t->ranks.group, rank, &out->err);
            return;
        }
        memcpy(&one, data, sizeof one);
        out->stop |= one.stop;
        if (one.err.status && !out->err.status) {
            out->err = one.err;
            weld_group_fail_at(t->ranks.group, rank, one.err.status, &out->err);
        }
        if (rank > 0) {
            tell_lines(t, rank, data + sizeof one);
        }
    }
}

/* This rank's own word. */
static weld_status speak(weld_trainer *t, const word *mine, weld_array *bytes, weld_error *err) {
    weld_ranks *r = &t->ranks;
    const bool follows = weld_group_rank(r->group) > 0;
    if (!weld_array_append(bytes, mine, sizeof *mine) ||
        !weld_array_append_text(bytes, follows ? weld_text_get(&r->said) : "")) {
        return weld_fail_memory(err, "ranks");
    }
    if (follows) { /* it is said once */
        weld_text_free(&r->said);
    }
    return WELD_OK;
}

static weld_status exchange_words(weld_trainer *t, const word *mine, word *all, weld_error *err) {
    weld_array bytes = {.element = 1};
    weld_gathered gathered = {0};
    weld_status status = speak(t, mine, &bytes, err);
    status = status ? weld_group_break(t->ranks.group, status, err)
                    : weld_group_gather(t->ranks.group, bytes.data, bytes.count, &gathered, err);
    if (!status && weld_group_rank(t->ranks.group) == 0) {
        listen(t, &gathered, all);
    }
    weld_gathered_free(&gathered);
    weld_array_free(&bytes);
    return status ? status : weld_group_broadcast(t->ranks.group, all, sizeof *all, err);
}

/* *stop: this rank is asked to, and then: any is. */
static weld_status settle(weld_trainer *t, weld_status status, bool *stop, weld_error *err) {
    word mine = {.stop = *stop}, all;
    if (!t->ranks.group) {
        return status;
    }
    if (status) {
        weld_fail(&mine.err, status, "%s", err->message);
    } else {
        mine.err = t->ranks.failure;
    }
    WELD_TRY(exchange_words(t, &mine, &all, err));
    *stop = all.stop;
    return all.err.status ? weld_fail(err, all.err.status, "%s", all.err.message) : WELD_OK;
}

weld_status weld_ranks_settle(weld_trainer *t, weld_status status, weld_error *err) {
    bool stop = false;
    return settle(t, status, &stop, err);
}

weld_status weld_ranks_settle_stop(weld_trainer *t, weld_status status, bool *stop,
                                   weld_error *err) {
    *stop = weld_train_stop_asked(t->data.settings);
    return settle(t, status, stop, err);
}
