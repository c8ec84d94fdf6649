/* The verdict on an update; see verdict.h. */
#include "train/verdict.h"

#include "base/error.h"
#include "train/replicas.h"

/* A failure that a rank has by itself, and one process would not have. */
static void fail_at(const weld_trainer *t, int rank, const weld_error *err, weld_verdict *v) {
    v->err = *err;
    weld_group_fail_at(t->ranks.group, rank, err->status, &v->err);
}

static void add_group(const weld_group_result *group, weld_verdict *v) {
    v->samples += group->samples;
    v->size = group->size;
    v->loss += group->loss * (double)group->samples;
    for (int i = 0; i < WELD_LOSS_PARTS_MAX; i++) {
        v->parts[i] += group->parts[i] * (double)group->samples;
    }
    for (int i = 0; i < WELD_COUNTS_MAX; i++) {
        v->counts[i] += group->counts[i];
    }
}

/* In the order in which one process would meet what there is to fail of. */
static void judge_group(weld_trainer *t, int rank, weld_update_record *said,
                        const weld_group_result *group, weld_verdict *v) {
    if (!group->loaded) {
        if (!weld_run_data_check_bad(&t->data, &v->err)) { /* which may be why */
            fail_at(t, rank, &said->err, v);
        }
    } else if (group->diagnosed) {
        weld_trainer_fail_not_finite(t, &said->why, weld_text_get(&said->story), &v->err);
    } else if (group->status) {
        fail_at(t, rank, &said->err, v);
    } else {
        add_group(group, v);
    }
}

/* Of train, in the order in which one process would meet them. */
static void count_bad(weld_trainer *t, const weld_met_image *image, weld_verdict *v) {
    const bool is_new = weld_run_data_count_bad(&t->data, image->index, image->reason);
    if (is_new && weld_ranks_writes(t) && !v->err.status) {
        const weld_bad_image_row row = {t->state.epoch, t->state.step + 1, image->reason};
        (void)weld_metrics_bad_image(t->record.metrics, &row, &v->err);
    }
}

static void judge_rank(weld_trainer *t, int rank, weld_update_record *said, weld_verdict *v) {
    const weld_group_result *groups = said->groups.data;
    const weld_met_image *bad = said->bad.data;
    size_t counted = 0;
    v->stop |= said->stop;
    if (t->ranks.times) {
        t->ranks.times[rank].seconds += said->seconds;
        t->ranks.times[rank].waited = said->waited;
    }
    for (size_t i = 0; i < said->groups.count && !v->err.status; i++) {
        for (int64_t k = 0; k < groups[i].bad && counted < said->bad.count; k++, counted++) {
            count_bad(t, &bad[counted], v);
        }
        if (!v->err.status) {
            judge_group(t, rank, said, &groups[i], v);
        }
    }
    if (said->err.status && !v->err.status) { /* of none of its groups */
        fail_at(t, rank, &said->err, v);
    }
}

/* What fails in it is a verdict too: the others wait for one. */
static void judge(weld_trainer *t, const weld_gathered *all, weld_verdict *out) {
    uint64_t state = 0;
    *out = (weld_verdict){.stop = false};
    for (int rank = 0; rank < all->count && !out->err.status; rank++) {
        weld_update_record said;
        if (!weld_update_record_read(all->data[rank], all->bytes[rank], &said, &out->err)) {
            state = rank ? state : said.state;
            judge_rank(t, rank, &said, out);
            if (said.state != state && !out->err.status) {
                weld_replicas_fail(t, rank, &out->err);
            }
        }
        weld_update_record_free(&said);
    }
    if (!out->err.status) { /* others have taken the places of those that are too many */
        (void)weld_run_data_check_bad(&t->data, &out->end);
    }
    out->rates = weld_optimizer_rates(
        t->step->optimizer, weld_schedule_rate(&t->schedule, t->state.epoch, t->state.step,
                                               t->state.plateau_reductions));
}

/* The bad images that ranks have met. */
static weld_status note_bad(const weld_gathered *all, weld_doubts *doubts, weld_error *err) {
    weld_status status = WELD_OK;
    for (int rank = 0; rank < all->count && !status; rank++) {
        weld_update_record said;
        status = weld_update_record_read(all->data[rank], all->bytes[rank], &said, err);
        const weld_met_image *bad = said.bad.data;
        for (size_t i = 0; i < said.bad.count && !status; i++) {
            weld_doubts_note(doubts, rank, bad[i].index, bad[i].reason);
        }
        weld_update_record_free(&said);
    }
    return status;
}

/* Rank 0's, at once or when what ranks have met is settled: where there is something to settle a
 * verdict that waits for that. */
static void answer(weld_trainer *t, const weld_gathered *all, bool settled, weld_verdict *out) {
    *out = (weld_verdict){.stop = false};
    if (!settled && !note_bad(all, &t->ranks.doubts, &out->err)) {
        out->doubtful = weld_doubts_any(&t->ranks.doubts);
    }
    if (!out->err.status && !out->doubtful) {
        judge(t, all, out);
    }
}

static weld_status settle(weld_trainer *t, const weld_gathered *all, weld_verdict *out,
                          weld_error *err) {
    weld_group *g = t->ranks.group;
    const weld_reading how = weld_reading_of(&t->data.recipe.data.preprocessing);
    weld_status status = WELD_OK;
    out->doubtful = true;
    for (bool settled = !g; !status && out->doubtful; settled = true) {
        if (weld_group_rank(g) == 0) {
            answer(t, all, settled, out);
        }
        status = weld_group_broadcast(g, out, sizeof *out, err);
        if (!status && out->doubtful) {
            status = weld_doubts_settle(&t->ranks.doubts, g, t->data.train, how, err);
        }
    }
    return status;
}

static weld_status gather(weld_group *g, const weld_update_record *mine, weld_gathered *all,
                          weld_error *err) {
    weld_array bytes = {.element = 1};
    weld_status status = weld_update_record_pack(mine, &bytes, err);
    status = status ? weld_group_break(g, status, err)
                    : weld_group_gather(g, bytes.data, bytes.count, all, err);
    weld_array_free(&bytes);
    return status;
}

weld_status weld_verdict_settle(weld_trainer *t, const weld_update_record *mine, weld_verdict *out,
                                weld_error *err) {
    weld_gathered all = {0};
    weld_status status = gather(t->ranks.group, mine, &all, err);
    status = status ? status : settle(t, &all, out, err);
    weld_gathered_free(&all);
    WELD_TRY(status);
    return out->err.status ? weld_fail(err, out->err.status, "%s", out->err.message) : WELD_OK;
}
