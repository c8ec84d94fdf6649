/* Rank 0's decisions and state on all ranks; see start_ranks.h. */
#include "train/start_ranks.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "distributed/shares.h"
#include "train/say.h"

/* --- Shares --- */

static weld_status fail_few(const weld_trainer *t, int ranks, weld_error *err) {
    const weld_recipe *r = &t->data.recipe;
    const long long groups = r->train.accumulate, batch = r->train.batch_size;
    const long long images = batch * groups, least = images / ranks;
    char other[160] = "";
    if (images % ranks == 0 && least > 1) {
        snprintf(other, sizeof other,
                 ", or set train.batch_size %lld and train.accumulate %d (batch norm then sees "
                 "%lld images)",
                 least, ranks, least);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "%d ranks, but train.accumulate %lld: an update has %lld batch%s to share: "
                     "start %lld%s",
                     ranks, groups, groups, groups == 1 ? "" : "es", groups, other);
}

/* "3, 3, 2", or "3 or 2" where there are many ranks. */
static void shares_text(int64_t groups, int ranks, char *text, size_t size) {
    enum { LISTED = 8 };
    if (ranks > LISTED) {
        snprintf(text, size, "%lld or %lld", (long long)weld_share_of(groups, ranks, 0).count,
                 (long long)weld_share_of(groups, ranks, ranks - 1).count);
        return;
    }
    text[0] = 0;
    for (int i = 0; i < ranks; i++) {
        weld_append(text, size, "%s%lld", i ? ", " : "",
                    (long long)weld_share_of(groups, ranks, i).count);
    }
}

weld_status weld_start_share(weld_trainer *t, weld_error *err) {
    const int64_t groups = t->data.recipe.train.accumulate;
    const int ranks = weld_group_size(t->ranks.group), rank = weld_group_rank(t->ranks.group);
    char shares[160];
    if (ranks > groups) {
        return fail_few(t, ranks, err);
    }
    t->share = weld_share_of(groups, ranks, rank);
    if (groups % ranks) {
        shares_text(groups, ranks, shares, sizeof shares);
        weld_train_say(
            t->data.settings, "%d ranks share %lld batches as %s: at best %.0f %% of their speed",
            ranks, (long long)groups, shares,
            100.0 * (double)groups / (double)(ranks * weld_share_of(groups, ranks, 0).count));
    }
    return WELD_OK;
}

/* --- What all get of rank 0 --- */

weld_status weld_start_tell_recipe(weld_trainer *t, weld_error *err) {
    WELD_TRY(weld_group_tell_text(t->ranks.group, &t->recipe_text, err));
    return weld_group_tell_text(t->ranks.group, &t->record.folder.path, err);
}

/* Tensors of the same names and shapes on all ranks; NULL: on none. */
static weld_status send(weld_group *g, weld_weights *w, weld_error *err) {
    for (size_t i = 0; w && i < weld_weights_count(w); i++) {
        const weld_tensor x = weld_weights_tensor(w, i);
        WELD_TRY(weld_group_broadcast(g, x.data, weld_tensor_bytes(&x), err));
    }
    return WELD_OK;
}

weld_status weld_start_send_weights(weld_trainer *t, weld_error *err) {
    weld_group *g = t->ranks.group;
    weld_run_evaluation *e = &t->evaluation;
    if (!g) {
        return WELD_OK;
    }
    WELD_TRY(weld_group_broadcast(g, &t->state, sizeof t->state, err));
    WELD_TRY(weld_group_broadcast(g, &e->last, sizeof e->last, err));
    WELD_TRY(weld_group_broadcast(g, &e->last_ema, sizeof e->last_ema, err));
    WELD_TRY(weld_group_broadcast(g, &e->step, sizeof e->step, err));
    WELD_TRY(send(g, t->weights, err));
    return send(g, t->ema, err);
}

weld_status weld_start_send_moments(weld_trainer *t, weld_error *err) {
    weld_group *g = t->ranks.group;
    weld_optimizer *o = t->step->optimizer;
    if (!g) {
        return WELD_OK;
    }
    const weld_tensor scales = weld_optimizer_scales(o);
    weld_optimizer_set_updates(o, t->state.step);
    WELD_TRY(weld_group_broadcast(g, scales.data, weld_tensor_bytes(&scales), err));
    WELD_TRY(send(g, weld_optimizer_first_moments(o), err));
    return send(g, weld_optimizer_second_moments(o), err);
}
