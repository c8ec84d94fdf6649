/* A task of one number an image; see toy.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "graph/graph.h"
#include "house/toy.h"

/* --- What is said of an image --- */

static weld_status read_number(const weld_dataset *ds, int64_t index, weld_array *out,
                               weld_error *err) {
    const char *name = weld_dataset_name(ds, index), *slash = strrchr(name, '/');
    const float number = strtof(slash ? slash + 1 : name, NULL) / 100;
    return weld_array_append(out, &number, 1) ? WELD_OK : weld_fail_memory(err, "numbers");
}

static const weld_annotation annotation = {.element = sizeof(float), .read = read_number};

/* --- Training: the mean square of what is off, times the task's one key --- */

typedef struct brightness {
    double scale;
} brightness;

static const weld_key keys[] = {
    {"scale", WELD_KEY_REAL, WELD_KEY_ONE(brightness, scale), .max = 100, .standard = "1",
     .help = "what the loss is multiplied by"},
};

static weld_status build_loss(const weld_loss_options *o, weld_graph *g, weld_error *err) {
    brightness own;
    memcpy(&own, o->values, sizeof own);
    weld_value *value = weld_graph_output(g, "value");
    weld_value *wanted = weld_input(g, "wanted", weld_value_shape(value));
    weld_value *off = weld_add(g, value, weld_scale(g, wanted, -1));
    const int64_t images = weld_value_shape(value).dim[0];
    off = weld_reshape(g, off, WELD_SHAPE(images, 1, 1, 1));
    off = weld_mean(g, weld_channel_scale(g, off, off));
    weld_output(g, "loss_square", off);
    wanted = weld_mean(g, weld_reshape(g, wanted, WELD_SHAPE(images, 1, 1, 1)));
    weld_output(g, "brightness", weld_scale(g, wanted, (double)images));
    weld_output(g, "squares", weld_scale(g, off, (double)images));
    weld_output(g, "loss", weld_scale(g, off, own.scale));
    return weld_graph_status(g, err);
}

static void tell_counts(const double *counts, char *text, size_t size) {
    text[0] = '\0';
    if (counts[1] > 0.1 * counts[0]) {
        snprintf(text, size, "far off: %.4f of %.4f", counts[1], counts[0]);
    }
}

static void fill_noise(weld_session *s) {
    weld_tensor t = weld_session_input(s, "wanted");
    for (int64_t i = 0; i < t.shape.dim[0]; i++) {
        ((float *)t.data)[i] = (float)(i % 10) / 10;
    }
}

static weld_status create_targets(const weld_dataset *ds, const weld_target_options *options,
                                  void **targets, weld_error *err) {
    (void)ds, (void)options;
    *targets = weld_alloc(1, 1);
    return *targets ? WELD_OK : weld_fail_memory(err, "targets");
}

static void free_targets(void *targets) {
    weld_free(targets);
}

static size_t target_size(const void *targets, int input) {
    (void)targets, (void)input;
    return 1;
}

static void fill_targets(void *targets, const weld_batch *batch, float *const *inputs) {
    (void)targets;
    for (int64_t i = 0; i < batch->count; i++) {
        inputs[0][i] = *(const float *)batch->annotations[i].data;
    }
    weld_mix_rows(batch->mixes, batch->count, 1, inputs[0]);
}

static void caption(const void *targets, float *const *inputs, int64_t i, weld_caption_style style,
                    char *text, size_t size) {
    (void)targets, (void)style;
    snprintf(text, size, "%.2f", (double)inputs[0][i]);
}

/* --- Evaluation: the mean distance --- */

static const weld_score_kind scores[] = {{"error", "mean error", "", 4, "error"}};

typedef struct tally {
    int64_t images;
    double squares, distances;
} tally;

static weld_status create_tally(const weld_dataset *ds, const weld_tensor *outputs, void **out,
                                weld_error *err) {
    (void)ds, (void)outputs;
    *out = weld_alloc(1, sizeof(tally));
    return *out ? WELD_OK : weld_fail_memory(err, "evaluation");
}

static weld_status clear_tally(void *t, weld_error *err) {
    (void)err;
    memset(t, 0, sizeof(tally));
    return WELD_OK;
}

static weld_status measure(const void *counted, const weld_tensor *outputs, int64_t i,
                           const weld_batch *batch, weld_array *record, weld_error *err) {
    (void)counted;
    const float *said = batch->annotations[i].data;
    double off = (double)((const float *)outputs[0].data)[i] - *said;
    if (!isfinite(off)) {
        return weld_fail(err, WELD_ERROR_NUMERIC, "not finite");
    }
    return weld_array_append(record, &off, sizeof off) ? WELD_OK
                                                       : weld_fail_memory(err, "evaluation");
}

static weld_status count(void *to, int64_t index, const void *record, size_t bytes,
                         weld_error *err) {
    tally *t = to;
    double off;
    (void)index, (void)err;
    memcpy(&off, record, bytes);
    t->images++;
    t->squares += off * off;
    t->distances += fabs(off);
    return WELD_OK;
}

static void finish(void *from, weld_evaluation *out) {
    const tally *t = from;
    out->loss = t->squares / (double)t->images;
    out->scores[0] = t->distances / (double)t->images;
}

/* --- Results for other programs: lines of an image's name and its number --- */

static weld_status write_result(const weld_dataset *ds, const weld_tensor *outputs, int64_t i,
                                const weld_batch *batch, weld_text *out, weld_error *err) {
    (void)err;
    weld_text_format(out, "%s %.9g", weld_dataset_name(ds, batch->indices[i]),
                     (double)((const float *)outputs[0].data)[i]);
    return WELD_OK;
}

static weld_status count_line(const char *line, const weld_dataset *ds, int64_t index, tally *t,
                              weld_error *err) {
    const size_t length = strlen(weld_dataset_name(ds, index));
    weld_array said = {.element = sizeof(float)};
    if (strncmp(line, weld_dataset_name(ds, index), length) != 0) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: another image is expected", line);
    }
    WELD_TRY(read_number(ds, index, &said, err));
    const double off = strtod(line + length, NULL) - *(const float *)said.data;
    weld_array_free(&said);
    return count(t, index, &off, sizeof off, err);
}

static weld_status read_results(const weld_results_source *from, const weld_dataset *ds, void **out,
                                weld_text *notes, weld_error *err) {
    void *text;
    size_t size;
    (void)notes;
    *out = NULL;
    WELD_TRY(weld_file_read(from->path, 1 << 20, &text, &size, err));
    weld_status status = create_tally(ds, NULL, out, err);
    const char *next = text;
    for (int64_t i = 0; i < weld_dataset_count(ds) && !status; i++) {
        char line[300];
        next = weld_take_line(next, line, sizeof line);
        status = count_line(line, ds, i, *out, err);
    }
    weld_free(text);
    return status;
}

static const weld_results_format results = {.what = "brightness, as lines",
                                            .before = "",
                                            .between = "\n",
                                            .after = "\n",
                                            .write = write_result,
                                            .read = read_results};

/* --- Single images --- */

static weld_status answer(const weld_tensor *outputs, const weld_question *question,
                          weld_text *text, json_t **json, weld_error *err) {
    const double value = *(const float *)outputs[0].data;
    (void)question;
    if (json) {
        *json = json_real(value);
        return *json ? WELD_OK : weld_fail_memory(err, "answer");
    }
    weld_text_format(text, "  brightness %.4f\n", value);
    return WELD_OK;
}

static bool same_answer(const weld_tensor *a, const weld_tensor *b, int64_t i) {
    return fabsf(((const float *)a->data)[i] - ((const float *)b->data)[i]) < 1e-3f;
}

const weld_task toy_task = {
    .name = "brightness",
    .outputs = {"value"},
    .output_word = "value",
    .answer_word = "number",
    .scores = scores,
    .score_count = 1,
    .run_scores = 1,
    .smaller_is_better = true,
    .annotation = &annotation,
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .inputs = {"wanted"},
    .build_loss = build_loss,
    .loss_parts = {"square"},
    .counts = {"brightness", "squares"},
    .tell_counts = tell_counts,
    .fill_noise = fill_noise,
    .targets_create = create_targets,
    .targets_free = free_targets,
    .target_size = target_size,
    .targets_fill = fill_targets,
    .caption = caption,
    .caption_help = "below each: its number",
    .tally_create = create_tally,
    .tally_free = weld_free,
    .tally_clear = clear_tally,
    .measure = measure,
    .count = count,
    .finish = finish,
    .results = &results,
    .answer = answer,
    .same_answer = same_answer,
};
