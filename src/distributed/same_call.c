/* What ranks were started with; see same_call.h. */
#include "distributed/same_call.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

void weld_call_add(weld_call *c, const char *text) {
    c->failed = c->failed || !weld_array_append_text(&c->bytes, text);
}

void weld_call_add_option(weld_call *c, const char *name, const char *value) {
    const char *const pieces[] = {value ? "" : "no ", name, value ? " " : "", value ? value : ""};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        c->failed = c->failed || !weld_array_append(&c->bytes, pieces[i], strlen(pieces[i]));
    }
    weld_call_add(c, "");
}

/* --- What differs --- */

enum { SHOWN = 160, BEFORE = 40 };

/* Of texts that are long, from a little before they differ. */
static weld_status fail_other(const weld_group *g, int rank, const char *its, const char *first,
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
                     weld_group_say_where(g, rank, where, sizeof where), dots, SHOWN,
                     its + left_out, dots, SHOWN, first + left_out);
}

static weld_status compare(const weld_group *g, const weld_gathered *all, weld_error *err) {
    for (int rank = 1; rank < all->count; rank++) {
        const char *first = all->data[0], *its = all->data[rank];
        const char *end = its + all->bytes[rank], *first_end = first + all->bytes[0];
        if (its < end && end[-1] != 0) {
            return weld_group_fail_strange(g, rank, err);
        }
        while (its < end || first < first_end) {
            const char *a = its < end ? its : "nothing more";
            const char *b = first < first_end ? first : "nothing more";
            if (strcmp(a, b) != 0) {
                return fail_other(g, rank, a, b, err);
            }
            its += strlen(its) + 1;
            first += strlen(first) + 1;
        }
    }
    return WELD_OK;
}

void weld_call_free(weld_call *c) {
    weld_array_free(&c->bytes);
}

weld_status weld_call_compare(weld_group *g, const weld_call *c, weld_error *err) {
    weld_gathered all = {0};
    WELD_TRY(weld_group_agree(g, c->failed ? weld_fail_memory(err, "ranks") : WELD_OK, err));
    WELD_TRY(weld_group_gather(g, c->bytes.data, c->bytes.count, &all, err));
    const weld_status status = compare(g, &all, err);
    weld_gathered_free(&all);
    return weld_group_agree(g, status, err);
}
