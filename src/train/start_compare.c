/* Do all ranks have the same data, and make the same of them? See start_ranks.h. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/rank_facts.h"
#include "distributed/rank_kernels.h"
#include "train/batch.h"
#include "train/say.h"
#include "train/start_ranks.h"

enum { WHERE_SIZE = 96 };

weld_status weld_start_compare_data(weld_trainer *t, weld_error *err) {
    const weld_run_data *d = &t->data;
    const weld_distillation *learned = d->distillation;
    const weld_rank_facts mine = {.sets = {d->train, d->val},
                                  .identities = {&d->train_identity, &d->val_identity},
                                  .network = learned ? weld_distillation_identity(learned) : NULL,
                                  .verb = "learns from",
                                  .path = learned ? weld_distillation_text(learned) : ""};
    return weld_rank_facts_compare(t->ranks.group, &mine, err);
}

weld_status weld_start_compare_kernels(weld_trainer *t, weld_error *err) {
    weld_group *g = t->ranks.group;
    weld_rank_kernels all;
    char where[WHERE_SIZE];
    WELD_TRY(weld_rank_kernels_compare(g, t->ranks.mixed,
                                       "; to let each be as fast as it can: --mixed", &all, err));
    if (!t->ranks.mixed || weld_group_rank(g) > 0) {
        return WELD_OK;
    }
    if (all.others) {
        weld_train_say(t->data.settings,
                       "mixed: rank 0 computes by %s, %d of the others by other kernels (%s: %s): "
                       "the run comes to the same again on the same hosts alone",
                       all.own, all.others, weld_group_say_where(g, all.first, where, sizeof where),
                       all.its);
    } else {
        weld_train_say(t->data.settings,
                       "mixed: all ranks compute by %s: without --mixed they come to the bits of "
                       "one process, if their libraries are the same",
                       all.own);
    }
    return WELD_OK;
}

/* --- What it computes --- */

/* Hashes of the first batch and of what comes of it; the gradients' are the last. Cpus of several
 * kinds make no more than the same pixels, before they are mixed: the rest stays 0. */
enum { OF_PIXELS, OF_LOSS, OF_TEACHER, OF_INPUTS, OF_GRADIENTS = OF_INPUTS + WELD_OUTPUTS_MAX };

static uint64_t hash_of(const weld_tensor *x) {
    return x->data ? XXH3_64bits(x->data, weld_tensor_bytes(x)) : 0;
}

static weld_status compute(weld_trainer *t, uint64_t *hashes, weld_error *err) {
    weld_array met = {.element = sizeof(weld_met_image)};
    weld_batch batch;
    t->data.met = &met; /* the update will meet them again, and count them */
    weld_status status = t->ranks.mixed ? weld_trainer_load_unmixed(t, 0, &batch, err)
                                        : weld_trainer_load_batch(t, 0, &batch, err);
    status = status || t->ranks.mixed ? status : weld_trainer_ask_teacher(t, &batch, err);
    t->data.met = NULL;
    weld_array_free(&met);
    WELD_TRY(status);
    const weld_train_step *s = t->step;
    hashes[OF_PIXELS] = hash_of(&s->images);
    if (t->ranks.mixed) {
        return WELD_OK;
    }
    hashes[OF_TEACHER] = hash_of(&t->teacher);
    for (int i = 0; t->data.task->inputs[i]; i++) {
        const weld_tensor x = weld_train_step_input(s, t->data.task->inputs[i]);
        hashes[OF_INPUTS + i] = hash_of(&x);
    }
    weld_session_run(s->session, weld_trainer_run_number(t, 0));
    hashes[OF_LOSS] = hash_of(&s->loss);
    for (size_t i = 0; i < s->parameter_count; i++) {
        hashes[OF_GRADIENTS + i] = hash_of(&s->gradients[i]);
    }
    return WELD_OK;
}

static weld_status fail_other(const weld_trainer *t, const char *where, size_t what,
                              weld_error *err) {
    char text[300] = "other targets";
    if (what == OF_PIXELS) {
        snprintf(text, sizeof text, "other pixels");
    } else if (what == OF_LOSS) {
        snprintf(text, sizeof text, "another loss");
    } else if (what == OF_TEACHER) {
        snprintf(text, sizeof text, "another answer of the teacher");
    } else if (what >= OF_GRADIENTS) {
        snprintf(text, sizeof text, "another gradient of %.200s",
                 weld_value_name(weld_graph_parameter(t->step->graph, what - OF_GRADIENTS)));
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: makes %s of the first batch than rank 0: %s",
                     where, text,
                     what == OF_PIXELS
                         ? "its files have other contents, or its libraries decode them otherwise"
                         : "its cpu or its libraries are of another kind (--mixed trains on both), "
                           "or its memory is bad");
}

/* What is made first is told first. */
static weld_status compare_hashes(const weld_trainer *t, const weld_gathered *all, size_t count,
                                  weld_error *err) {
    static const size_t order[] = {OF_PIXELS,     OF_INPUTS,  OF_INPUTS + 1, OF_INPUTS + 2,
                                   OF_INPUTS + 3, OF_TEACHER, OF_LOSS};
    _Static_assert(sizeof order / sizeof *order == OF_GRADIENTS, "all of them have a place");
    char where[WHERE_SIZE];
    for (int rank = 1; rank < all->count; rank++) {
        const uint64_t *first = all->data[0], *its = all->data[rank];
        weld_group_say_where(t->ranks.group, rank, where, sizeof where);
        if (all->bytes[rank] != count * sizeof *its) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: trains another network than rank 0",
                             where);
        }
        for (size_t i = 0; i < count; i++) {
            const size_t at = i < OF_GRADIENTS ? order[i] : i;
            if (memcmp(&first[at], &its[at], sizeof *its) != 0) {
                return fail_other(t, where, at, err);
            }
        }
    }
    return WELD_OK;
}

static bool has_update(const weld_trainer *t) {
    return t->state.epoch < weld_schedule_epochs(&t->schedule) &&
           t->state.position < weld_loader_train_updates(t->data.loader, (uint32_t)t->state.epoch);
}

weld_status weld_start_compare_batch(weld_trainer *t, weld_error *err) {
    const size_t count = OF_GRADIENTS + t->step->parameter_count;
    weld_gathered all = {0};
    if (!t->ranks.group || !has_update(t)) {
        return WELD_OK;
    }
    uint64_t *hashes = weld_alloc(count, sizeof *hashes);
    weld_status status = hashes ? compute(t, hashes, err) : weld_fail_memory(err, "first batch");
    status = weld_ranks_settle(t, status, err);
    status = status ? status
                    : weld_group_gather(t->ranks.group, hashes, count * sizeof *hashes, &all, err);
    weld_free(hashes);
    WELD_TRY(status);
    status = compare_hashes(t, &all, count, err);
    weld_gathered_free(&all);
    return weld_ranks_settle(t, status, err);
}
