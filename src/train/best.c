/* The best evaluation of a run; see best.h. */
#include "train/best.h"

#include <math.h>

#include "train/say.h"

static bool by_average(const weld_trainer *t) {
    return t->data.recipe.train.best == WELD_RECIPE_BEST_EMA;
}

const weld_evaluation *weld_trainer_best_evaluation(const weld_trainer *t) {
    return by_average(t) ? &t->evaluation.last_ema : &t->evaluation.last;
}

weld_weights *weld_trainer_best_weights(const weld_trainer *t) {
    return by_average(t) ? t->ema : t->weights;
}

weld_evaluator *weld_trainer_best_evaluator(const weld_trainer *t) {
    return by_average(t) ? t->evaluation.ema_evaluator : t->evaluation.evaluator;
}

static bool by_loss(const weld_trainer *t) {
    return t->data.recipe.train.best == WELD_RECIPE_BEST_LOSS;
}

/* Is what is looked at better, and not as good? The loss, where there is one. */
static bool has_improved(const weld_trainer *t, weld_standing now, weld_standing best) {
    const int64_t more = weld_standing_more_images(now, best);
    if (more != 0) {
        return more > 0;
    }
    return by_loss(t) && (isfinite(now.loss) || isfinite(best.loss))
               ? isfinite(now.loss) && !(now.loss >= best.loss)
           : t->data.task->smaller_is_better ? now.score < best.score
                                             : now.score > best.score;
}

static void tell_images(const weld_trainer *t, weld_standing now, weld_standing best) {
    const int64_t more = weld_standing_more_images(now, best);
    if (more != 0 || now.images != best.images) {
        weld_train_say(t->data.settings,
                       "epoch %lld: the scores are of %lld images, those of the best so far of "
                       "%lld: they are %s",
                       (long long)t->state.epoch + 1, (long long)now.images, (long long)best.images,
                       more > 0   ? "not compared, and these are the best now"
                       : more < 0 ? "not compared, and that stays the best"
                                  : "compared, since the evaluation before had no more");
    }
}

/* Scores of fewer images than before say nothing of whether the run still improves. */
bool weld_trainer_judge(weld_trainer *t, int64_t *more) {
    weld_trainer_state *s = &t->state;
    const weld_evaluation *e = weld_trainer_best_evaluation(t);
    const weld_standing now = {e->scores[0], e->loss, e->images, s->latest_images};
    const weld_standing before = {s->best_score, s->best_loss, s->best_images, 0};
    const bool first = s->best_epoch < 0;
    *more = first ? 0 : weld_standing_more_images(now, before);
    s->latest_images = e->images;
    if (!first) {
        tell_images(t, now, before);
    }
    if (first || has_improved(t, now, before)) {
        s->stale_evaluations = 0;
    } else if (*more == 0) {
        s->stale_evaluations++;
    }
    if (!first && !weld_task_is_best(t->data.task, by_loss(t), now, before)) {
        return false;
    }
    s->best_epoch = s->epoch;
    s->best_score = now.score;
    s->best_loss = now.loss;
    s->best_images = now.images;
    s->best_average = t->evaluation.last_ema.images == t->evaluation.last.images
                          ? t->evaluation.last_ema.scores[0]
                          : NAN;
    return true;
}

bool weld_trainer_gave_up(const weld_trainer *t) {
    const int64_t patience = t->data.recipe.train.patience;
    return patience > 0 && t->state.stale_evaluations >= patience;
}

bool weld_trainer_is_over(const weld_trainer *t) {
    return t->state.epoch >= weld_schedule_epochs(&t->schedule) || weld_trainer_gave_up(t);
}

static void tell_end(const weld_trainer *t) {
    const weld_trainer_state *s = &t->state;
    weld_train_say(t->data.settings,
                   "train.patience: no better %s in %lld evaluations: the run ends after epoch "
                   "%lld of %lld; best.h5 is of epoch %lld",
                   by_loss(t) ? "loss" : t->data.task->scores[0].label,
                   (long long)s->stale_evaluations, (long long)s->epoch,
                   (long long)weld_schedule_epochs(&t->schedule), (long long)s->best_epoch + 1);
}

static void tell_average(const weld_trainer *t) {
    const weld_score_kind *kind = &t->data.task->scores[0];
    const weld_trainer_state *s = &t->state;
    const double weights = s->best_score, average = s->best_average;
    if (t->ema && !by_average(t) && s->best_epoch >= 0 &&
        (t->data.task->smaller_is_better ? average < weights : average > weights)) {
        weld_train_say(t->data.settings,
                       "best.h5: its moving average is better than its weights, %s %.*f%s against "
                       "%.*f%s: --key ema takes it (train.best ema keeps the best of averages)",
                       kind->label, kind->decimals, average, kind->unit, kind->decimals, weights,
                       kind->unit);
    }
}

void weld_trainer_tell_best(const weld_trainer *t) {
    if (weld_trainer_gave_up(t) && t->state.epoch < weld_schedule_epochs(&t->schedule)) {
        tell_end(t);
    }
    tell_average(t);
}
