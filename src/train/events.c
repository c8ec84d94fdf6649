/* TensorBoard events of a training run; see events.h. */
#include "train/events.h"

#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "images/contact_sheet.h"
#include "images/encode_png.h"
#include "train/batch.h"
#include "train/draw_sample.h"
#include "train/tensorboard.h"
#include "graph/graph.h"
#include "train/times.h"

enum { SCALARS_MAX = 20000 }; /* events with the scalars of updates, about */
enum { TAG_SIZE = 280, CAPTION_SIZE = 200 };
enum { SHEET_IMAGES = 24, SHEET_COLUMNS = 6 };

weld_status weld_events_open(weld_trainer *t, weld_error *err) {
    const int64_t step = t->state.step;
    return t->data.recipe.train.events
               ? weld_tensorboard_create(t->record.folder.path, step > 0 ? step + 1 : 0,
                                         &t->record.events, err)
               : WELD_OK;
}

/* --- Scalars --- */

static void add_times(weld_tensorboard *e, const weld_train_times *t) {
    weld_times_part parts[WELD_TIMES_MAX];
    const int count = weld_times_parts(t, parts);
    for (int i = 0; i < count; i++) {
        char tag[TAG_SIZE];
        snprintf(tag, sizeof tag, "time/%s", parts[i].name);
        weld_tensorboard_scalar(e, tag, parts[i].seconds);
    }
}

static bool scalars_due(const weld_trainer *t) {
    const int64_t every = t->updates / SCALARS_MAX + 1;
    return t->state.step % every == 0 || t->state.step == 1;
}

/* --- Histograms --- */

static bool epoch_due(const weld_trainer *t, int64_t epoch) {
    const int64_t every = t->data.recipe.train.histograms_every;
    return every > 0 && (epoch % every == 0 || epoch + 1 == weld_schedule_epochs(&t->schedule));
}

/* Gradients are those of the epoch's last update, if this process did it. */
static weld_status add_histograms(weld_trainer *t, weld_error *err) {
    weld_histogram *h = weld_alloc(1, sizeof *h);
    if (!h) {
        return weld_fail_memory(err, "histograms");
    }
    for (size_t i = 0; i < t->step->parameter_count; i++) {
        const char *name = weld_value_name(weld_graph_parameter(t->step->graph, i));
        const weld_tensor *g = t->step->updated ? &t->step->updated[i] : &(weld_tensor){0};
        weld_tensor w;
        char tag[TAG_SIZE];
        if (weld_weights_find(t->weights, name, &w) && w.dtype == WELD_F32) {
            snprintf(tag, sizeof tag, "weights/%s", name);
            weld_histogram_of(w.data, weld_shape_count(&w.shape), h);
            weld_tensorboard_histogram(t->record.events, tag, h);
        }
        if (g->data && g->dtype == WELD_F32) {
            snprintf(tag, sizeof tag, "gradients/%s", name);
            weld_histogram_of(g->data, weld_shape_count(&g->shape), h);
            weld_tensorboard_histogram(t->record.events, tag, h);
        }
    }
    weld_free(h);
    return WELD_OK;
}

/* --- Contact sheets --- */

static weld_status draw_sheet(weld_trainer *t, weld_image *sheet, weld_error *err) {
    const weld_tensor images = t->step->images;
    const int64_t count = images.shape.dim[0] < SHEET_IMAGES ? images.shape.dim[0] : SHEET_IMAGES;
    char texts[SHEET_IMAGES][CAPTION_SIZE];
    const char *captions[SHEET_IMAGES];
    weld_preprocessing preprocessing = t->data.recipe.data.preprocessing;
    preprocessing.height = (int)images.shape.dim[1];
    preprocessing.width = (int)images.shape.dim[2];
    const int64_t floats = weld_shape_count(&images.shape) / images.shape.dim[0];
    for (int64_t i = 0; i < count; i++) {
        WELD_TRY(weld_draw_sample(t->data.task, t->data.targets, t->inputs, i, &preprocessing,
                                  preprocessing.height, preprocessing.width,
                                  (float *)images.data + i * floats, err));
        t->data.task->caption(t->data.targets, t->inputs, i, WELD_CAPTION_PERCENT, texts[i],
                              CAPTION_SIZE);
        captions[i] = texts[i];
    }
    return weld_contact_sheet(&preprocessing, images.data, NULL, captions, count, SHEET_COLUMNS,
                              sheet, err);
}

/* What the network has just seen: inputs stay in the session until the next batch, which makes them
 * anew. */
static weld_status add_sheet(weld_trainer *t, weld_error *err) {
    weld_image sheet = {0};
    weld_bytes png = {0};
    weld_status status = draw_sheet(t, &sheet, err);
    status = status ? status : weld_encode_png(&sheet, &png, err);
    if (!status) {
        weld_tensorboard_image(t->record.events, "batch", sheet.width, sheet.height, png.data,
                               png.size);
    }
    weld_image_free(&sheet);
    weld_bytes_free(&png);
    return status;
}

/* --- Events --- */

static void add_parts(weld_tensorboard *e, const weld_step_metrics *row) {
    char tag[TAG_SIZE];
    for (int i = 0; row->task->loss_parts[i]; i++) {
        snprintf(tag, sizeof tag, "loss/%s", row->task->loss_parts[i]);
        weld_tensorboard_scalar(e, tag, row->parts[i]);
    }
}

weld_status weld_events_step(weld_trainer *t, const weld_step_metrics *row, weld_error *err) {
    weld_tensorboard *e = t->record.events;
    if (!e) {
        return WELD_OK;
    }
    if (scalars_due(t)) {
        weld_tensorboard_scalar(e, "loss/train", row->loss);
        add_parts(e, row);
        weld_tensorboard_scalar(e, "learning_rate", row->lr);
        weld_tensorboard_scalar(e, "speed/images_per_second", row->images_per_second);
        add_times(e, &row->times);
    }
    const bool first = t->state.position == 1;
    WELD_TRY(first && epoch_due(t, row->epoch) ? add_sheet(t, err) : WELD_OK);
    return weld_tensorboard_write(e, row->step, err);
}

static void add_scores(const weld_trainer *t, const weld_epoch_metrics *row) {
    const weld_score_kind *kinds = t->data.task->scores;
    char tag[TAG_SIZE];
    if (row->evaluated && isfinite(row->evaluation.loss)) {
        weld_tensorboard_scalar(t->record.events, "loss/val", row->evaluation.loss);
    }
    for (int i = 0; row->evaluated && i < t->data.task->run_scores; i++) {
        snprintf(tag, sizeof tag, "%s/%s", kinds[i].group, kinds[i].key);
        weld_tensorboard_scalar(t->record.events, tag, row->evaluation.scores[i]);
    }
    if (row->averaged) {
        snprintf(tag, sizeof tag, "%s/ema_%s", kinds[0].group, kinds[0].key);
        weld_tensorboard_scalar(t->record.events, tag, row->average.scores[0]);
    }
}

/* Of what there was, the shares of what else was counted. */
static void add_shares(weld_tensorboard *e, const weld_epoch_metrics *row) {
    const char *const *names = row->task->counts;
    char tag[TAG_SIZE];
    for (int i = 1; row->counts[0] > 0 && names[i]; i++) {
        snprintf(tag, sizeof tag, "%s/%s", names[0], names[i]);
        weld_tensorboard_scalar(e, tag, row->counts[i] / row->counts[0]);
    }
}

weld_status weld_events_epoch(weld_trainer *t, const weld_epoch_metrics *row, weld_error *err) {
    weld_tensorboard *e = t->record.events;
    if (!e) {
        return WELD_OK;
    }
    weld_tensorboard_scalar(e, "loss/epoch", row->train_loss);
    add_shares(e, row);
    add_scores(t, row);
    WELD_TRY(epoch_due(t, row->epoch) ? add_histograms(t, err) : WELD_OK);
    return weld_tensorboard_write(e, row->step, err);
}
