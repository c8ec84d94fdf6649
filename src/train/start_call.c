/* Have all ranks been started to do the same? See start_ranks.h.
 *
 * A launcher of jobs that are one command each (srun in a sweep) makes ranks of them: without this,
 * rank 0's run would be trained by all of them, and those of the others by nobody.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "train/start_ranks.h"

/* --- What a rank was started with --- */

/* Texts one after the other, each with a zero behind it. Memory that was short stays so. */
typedef struct call {
    weld_array bytes;
    bool failed;
} call;

static void add(call *c, const char *text) {
    c->failed = c->failed || !weld_array_append_text(&c->bytes, text);
}

/* "--out runs/a", or "no --out". */
static void add_option(call *c, const char *name, const char *value) {
    const char *const pieces[] = {value ? "" : "no ", name, value ? " " : "", value ? value : ""};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        c->failed = c->failed || !weld_array_append(&c->bytes, pieces[i], strlen(pieces[i]));
    }
    add(c, "");
}

/* All that rank 0 alone looks at. Threads are each rank's own. */
static void add_call(call *c, const weld_train_settings *s, bool dry) {
    char epochs[32];
    snprintf(epochs, sizeof epochs, "%d", s->extend);
    add_option(c, "recipe", s->recipe);
    add_option(c, "--data", s->data);
    add_option(c, "--out", s->out);
    add_option(c, "--init", s->init);
    add_option(c, "--key", s->init_key);
    add(c, s->resume ? "--resume" : "no --resume");
    add(c, s->mixed ? "--mixed" : "no --mixed");
    add_option(c, "--extend", s->extend ? epochs : NULL);
    add(c, dry ? "--dry-run" : "no --dry-run");
    for (size_t i = 0; i < s->set_count; i++) {
        add_option(c, "--set", s->set[i]);
    }
    add_option(c, s->set_count ? "other --set" : "--set", NULL);
}

/* --- What differs --- */

enum { SHOWN = 160, BEFORE = 40 };

/* Of texts that are long, from a little before they differ. */
static weld_status fail_other(const weld_trainer *t, int rank, const char *its, const char *first,
                              weld_error *err) {
    size_t same = 0;
    while (its[same] && its[same] == first[same]) {
        same++;
    }
    const size_t left_out = same >= SHOWN ? same - BEFORE : 0;
    const char *dots = left_out ? "..." : "";
    char where[96];
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%s: was started with %s%.*s, rank 0 with %s%.*s: give all ranks the same "
                     "command; runs of their own need processes that no launcher of ranks started",
                     weld_group_say_where(t->ranks.group, rank, where, sizeof where), dots, SHOWN,
                     its + left_out, dots, SHOWN, first + left_out);
}

static weld_status compare_calls(const weld_trainer *t, const weld_gathered *all, weld_error *err) {
    for (int rank = 1; rank < all->count; rank++) {
        const char *first = all->data[0], *its = all->data[rank];
        const char *end = its + all->bytes[rank], *first_end = first + all->bytes[0];
        if (its == end || end[-1] != 0) {
            char where[96];
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: says what no rank says",
                             weld_group_say_where(t->ranks.group, rank, where, sizeof where));
        }
        while (its < end && first < first_end) {
            if (strcmp(its, first) != 0) {
                return fail_other(t, rank, its, first, err);
            }
            its += strlen(its) + 1;
            first += strlen(first) + 1;
        }
    }
    return WELD_OK;
}

weld_status weld_start_compare_call(weld_trainer *t, bool dry, weld_error *err) {
    call mine = {.bytes = {.element = 1}};
    weld_gathered all = {0};
    if (!t->ranks.group) {
        return WELD_OK;
    }
    add_call(&mine, t->data.settings, dry);
    weld_status status =
        weld_ranks_settle(t, mine.failed ? weld_fail_memory(err, "ranks") : WELD_OK, err);
    status = status
                 ? status
                 : weld_group_gather(t->ranks.group, mine.bytes.data, mine.bytes.count, &all, err);
    weld_array_free(&mine.bytes);
    WELD_TRY(status);
    status = compare_calls(t, &all, err);
    weld_gathered_free(&all);
    return weld_ranks_settle(t, status, err);
}
