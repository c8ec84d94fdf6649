/* The start of a run; see tell_start.h. */
#include "train/tell_start.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "models/models.h"
#include "teach/distillation.h"
#include "train/parameter_groups.h"

/* Batch norm's statistics of fewer images are noisy (Wu and He, "Group normalization", 2018). */
enum { FEW_IMAGES = 16, ADVICE_SIZE = 2048 };

static const double MOSTLY_OLD_AVERAGE = 0.5, MUCH_LEFT_OUT = 0.01;

/* --- Facts --- */

static size_t bytes_of(const weld_weights *w) {
    size_t bytes = 0;
    for (size_t i = 0; w && i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        bytes += weld_tensor_bytes(&t);
    }
    return bytes;
}

size_t weld_trainer_arena_bytes(const weld_trainer *t) {
    size_t most = 0;
    for (int i = 0; i < WELD_SIZES_MAX && t->steps[i]; i++) {
        const size_t bytes = weld_session_arena_bytes(t->steps[i]->session);
        most = bytes > most ? bytes : most;
    }
    return most;
}

weld_train_memory weld_trainer_memory(const weld_trainer *t) {
    return (weld_train_memory){.activations = weld_trainer_arena_bytes(t),
                               .weights = bytes_of(t->weights),
                               .optimizer =
                                   bytes_of(weld_optimizer_first_moments(t->step->optimizer)) +
                                   bytes_of(weld_optimizer_second_moments(t->step->optimizer)),
                               .average = bytes_of(t->ema),
                               .accumulated = weld_sums_bytes(t->sums)};
}

static int64_t count_trained(const weld_train_group *groups, size_t count) {
    int64_t parameters = 0;
    for (size_t i = 0; i < count; i++) {
        parameters += groups[i].trained ? groups[i].parameters : 0;
    }
    return parameters;
}

/* --- Advice --- */

typedef struct advice {
    char text[ADVICE_SIZE]; /* a line for each piece */
} advice;

static void __attribute__((format(printf, 2, 3))) advise(advice *a, const char *format, ...) {
    size_t used = strlen(a->text);
    va_list args;
    va_start(args, format);
    weld_vsnprintf(a->text + used, sizeof a->text - used, format, args);
    va_end(args);
}

/* The batches of fewest images: those of the largest size. */
static weld_batch_shape least_batch(const weld_trainer *t) {
    int count;
    const weld_batch_shape *shapes = weld_loader_train_shapes(t->data.loader, &count);
    return shapes[count - 1];
}

/* Scaled rates have cost people whole runs. */
static void advise_on_batch(const weld_trainer *t, advice *a) {
    const weld_recipe *r = &t->data.recipe;
    int64_t effective = weld_run_data_update_images(&t->data);
    int64_t batch = weld_loader_train_batch_size(t->data.loader);
    const weld_batch_shape least = least_batch(t);
    /* With batches of so many images of data.input_size the least have enough. */
    const double enough = ceil(FEW_IMAGES * (double)least.height * least.width /
                               r->data.preprocessing.height / r->data.preprocessing.width);
    bool learns_statistics = !r->train.bn_eval && r->train.freeze != WELD_FREEZE_BACKBONE;
    if (r->train.batch_size > batch && !r->data.size_count) {
        advise(a, "train.batch_size %lld: there are %lld images to train on, which are one batch\n",
               (long long)r->train.batch_size, (long long)batch);
    }
    if (r->optimizer.lr_batch > 4 * effective) {
        advise(a,
               "an update is on %lld %s, far below the %lld that optimizer.lr is for: "
               "the rate is scaled down to %.3g and gradients are noisier than the recipe "
               "means; train.accumulate %lld makes up for both, not for batch norm, whose "
               "statistics are of %lld %s\n",
               (long long)effective, weld_plural(effective, "image", "images"),
               (long long)r->optimizer.lr_batch, t->schedule.base_lr,
               (long long)(r->optimizer.lr_batch / batch), (long long)batch,
               weld_plural(batch, "image", "images"));
    }
    if (least.count < FEW_IMAGES && learns_statistics) {
        advise(a,
               "batch norm takes its statistics from %lld %s, which is few: take a "
               "train.batch_size of %.0f or more, or train.bn_eval true with --init\n",
               (long long)least.count, weld_plural(least.count, "image", "images"), enough);
    }
}

/* An average that starts from weights of --init is spoilt by what of them was made anew, and says
 * little of the run where it is mostly they. */
static void advise_on_average(const weld_trainer *t, advice *a) {
    double updates = (double)t->updates, decay = t->data.recipe.train.ema_decay;
    double left = pow(decay, updates), most = t->init ? MOSTLY_OLD_AVERAGE : WELD_SPOILS_AVERAGE;
    char share[WELD_NUMBER_SIZE];
    if (decay > 0 && left > most && !t->data.recipe.train.ema_warmup) {
        const double fitting = 1 - 10 / updates; /* exp(-10) is left */
        char less[48] = "";
        if (fitting > 0) {
            weld_append(less, sizeof less, "%.6g or less, or ", fitting);
        }
        advise(a,
               "train.ema_decay %g: after the run's %.0f updates %s of the average is what it "
               "started from, %s: take %snull, or train.ema_warmup true\n",
               decay, updates, weld_percent_text(left, share),
               t->init ? "the weights of --init and what of them was made anew"
               : left < MOSTLY_OLD_AVERAGE
                   ? "new weights, by which every layer shrinks what it is given"
                   : "which makes it worthless",
               less);
    }
}

/* What a batch or an update does not fill: some images are not in an epoch, and where the order is
 * that of the files, never. With repeats the rest of an epoch is the same images again. */
static void advise_on_rest(const weld_trainer *t, advice *a) {
    const weld_recipe *r = &t->data.recipe;
    const int64_t images = weld_dataset_count(t->data.train);
    const int64_t places =
        weld_run_data_update_images(&t->data) * weld_loader_train_updates(t->data.loader, 0);
    const int64_t repeats = r->augment.repeats;
    const int64_t seen = (places + repeats - 1) / repeats;
    const int64_t rest = images - (repeats > 1 ? seen : places);
    if (r->data.size_count || rest <= 0 || r->data.sampling) {
        return; /* of several sizes, or drawn by class, an epoch has other numbers each time */
    }
    if (!r->train.shuffle) {
        advise(a,
               "train.shuffle false: the last %lld of the %lld images are never trained on%s: take "
               "a train.batch_size that divides their number%s, or train.shuffle true\n",
               (long long)rest, (long long)images,
               repeats > 1 ? ", for each of the others comes several times" : "",
               repeats > 1 ? " and augment.repeats 1" : "");
    } else if (repeats == 1 && (double)rest > MUCH_LEFT_OUT * (double)images) {
        advise(a,
               "%lld of the %lld images are left out of every epoch, others each time, because "
               "%lld updates of %lld images is what there is in them: a smaller train.batch_size "
               "or train.accumulate leaves out fewer\n",
               (long long)rest, (long long)images,
               (long long)weld_loader_train_updates(t->data.loader, 0),
               (long long)weld_run_data_update_images(&t->data));
    }
}

static void advise_on_schedule(const weld_trainer *t, advice *a) {
    const weld_schedule *s = &t->schedule;
    const double falls_after = s->name == WELD_SCHEDULE_STEP      ? s->decay_epochs
                               : s->name == WELD_SCHEDULE_PLATEAU ? (double)s->patience_epochs + 1
                                                                  : 0;
    if (s->warmup_epochs >= (double)s->epochs) {
        advise(a, "schedule.warmup_epochs %g is all of the run's %lld: the rate only rises\n",
               s->warmup_epochs, (long long)s->epochs);
    } else if (falls_after >= (double)s->epochs) {
        advise(a, "schedule.%s is all of the run's %lld %s: the rate never falls\n",
               s->name == WELD_SCHEDULE_STEP ? "decay_epochs" : "patience_epochs",
               (long long)s->epochs, weld_plural(s->epochs, "epoch", "epochs"));
    }
    if (s->base_lr < s->min_lr || (s->warmup_epochs > 0 && s->base_lr < s->warmup_lr)) {
        advise(a,
               "the rate used, %.3g, is below schedule.min_lr %.3g or warmup_lr %.3g, "
               "which are not scaled by the batch: lower these\n",
               s->base_lr, s->min_lr, s->warmup_lr);
    }
}

static void advise_on_mosaics(const weld_trainer *t, advice *a) {
    const weld_augmentation *g = &t->data.recipe.augment;
    const int64_t epochs = weld_recipe_epochs(&t->data.recipe);
    if (g->kind == WELD_AUGMENT_DETECTION && (g->mosaic > 0 || g->blend > 0) &&
        g->close_mosaic >= epochs) {
        advise(a,
               "augment.close_mosaic %lld is all of the run's %lld %s: there are no mosaics: "
               "lower it\n",
               (long long)g->close_mosaic, (long long)epochs,
               weld_plural(epochs, "epoch", "epochs"));
    }
}

/* --- Telling --- */

static void advise_on_pixels(const weld_trainer *t, advice *a) {
    const weld_preprocessing *p = &t->data.recipe.data.preprocessing;
    if (weld_preprocessing_is_of_bytes(p)) {
        advise(a,
               "data.mean %g is of pixels of 0 to 255, but here they are of 0 to 1: divide mean "
               "and std by 255\n",
               (double)p->mean[0]);
    }
}

static void tell(const weld_trainer *t, const weld_train_group *groups, size_t count) {
    const weld_train_callbacks *c = &t->data.settings->callbacks;
    const weld_recipe *r = &t->data.recipe;
    int threads = t->data.settings->threads;
    char rates[512], schedule[256], inputs[WELD_INPUT_TEXT_SIZE];
    weld_input_text(&r->data.preprocessing, inputs);
    weld_train_size sizes[WELD_SIZES_MAX];
    int size_count;
    const weld_batch_shape *shapes = weld_loader_train_shapes(t->data.loader, &size_count);
    for (int i = 0; i < size_count; i++) {
        sizes[i] = (weld_train_size){shapes[i].height, shapes[i].width, shapes[i].count};
    }
    advice a = {.text = ""};
    if (t->state.step == 0) { /* who goes on has read it */
        advise_on_batch(t, &a);
        advise_on_rest(t, &a);
        advise_on_schedule(t, &a);
        advise_on_mosaics(t, &a);
        advise_on_average(t, &a);
        advise_on_pixels(t, &a);
    }
    weld_parameter_rates_text(&r->model, t->step->graph, t->step->rates, t->schedule.base_lr, rates,
                              sizeof rates);
    bool differ =
        r->train.freeze || r->optimizer.head_lr_scale != 1 || r->optimizer.layer_decay != 1;
    weld_train_start start = {.out = t->record.folder.path,
                              .recipe = t->recipe_text,
                              .model = r->model.name,
                              .parameters = weld_graph_counts(t->evaluation.graph).parameters,
                              .trained_parameters = count_trained(groups, count),
                              .groups = groups,
                              .group_count = count,
                              .rates = differ ? rates : NULL,
                              .advice = a.text,
                              .train_images = weld_dataset_count(t->data.train),
                              .val_images = t->data.val ? weld_dataset_count(t->data.val) : 0,
                              .classes = r->model.num_classes,
                              .epochs = weld_schedule_epochs(&t->schedule),
                              .steps_per_epoch = t->updates / weld_schedule_epochs(&t->schedule),
                              .steps = t->updates,
                              .batch_size = weld_loader_train_batch_size(t->data.loader),
                              .accumulate = r->train.accumulate,
                              .sizes = sizes,
                              .size_count = r->data.size_count,
                              .inputs = strpbrk(inputs, " ,") ? inputs : NULL,
                              .recipe_lr = r->optimizer.lr,
                              .lr_batch = r->optimizer.lr_batch,
                              .lr = t->schedule.base_lr,
                              .schedule =
                                  weld_schedule_text(&t->schedule, schedule, sizeof schedule),
                              .resumed_step = t->state.step,
                              .threads = weld_threads_count(threads),
                              .memory_bytes = weld_trainer_arena_bytes(t),
                              .precision = (weld_precision)r->train.precision};
    if (c->started) {
        c->started(c->context, &start);
    }
}

weld_status weld_trainer_tell_start(const weld_trainer *t, weld_error *err) {
    weld_train_group *groups;
    size_t count;
    WELD_TRY(weld_parameter_groups_create(
        t->step->graph, t->step->rates, t->data.recipe.optimizer.weight_decay,
        (weld_decay_on)t->data.recipe.optimizer.decay_on, &groups, &count, err));
    tell(t, groups, count);
    weld_free(groups);
    return WELD_OK;
}
