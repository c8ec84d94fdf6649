/* What a summary says of another network; see take_average.h. */
#include "serialization/take_average.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json.h"
#include "formats/json_tree.h"
#include "serialization/summary_keys.h"

/* What is true of a network however it is evaluated, and of its average. */
static const char *const OF_TRAINING[] = {WELD_SUMMARY_EPOCHS,       WELD_SUMMARY_STEPS,
                                          WELD_SUMMARY_TRAIN_IMAGES, WELD_SUMMARY_INIT,
                                          WELD_SUMMARY_TEACHER,      WELD_SUMMARY_MIXED};

static void keep(json_t **to, const json_t *from, const char *key) {
    json_t *value = json_object_get(from, key);
    if (value) {
        weld_json_set(to, key, json_incref(value));
    }
}

static json_t *summary_of_training(const json_t *summary) {
    json_t *training = json_object();
    for (size_t i = 0; i < sizeof OF_TRAINING / sizeof *OF_TRAINING; i++) {
        keep(&training, summary, OF_TRAINING[i]);
    }
    return training;
}

static json_t *summary_of_average(const json_t *summary) {
    const size_t begin = strlen(WELD_SUMMARY_AVERAGE);
    json_t *average = summary_of_training(summary);
    const char *key;
    json_t *value;
    keep(&average, summary, WELD_SUMMARY_IMAGES); /* unless it was evaluated on others */
    keep(&average, summary, WELD_SUMMARY_SKIPPED);
    json_object_foreach((json_t *)(uintptr_t)summary, key, value) {
        if (strncmp(key, WELD_SUMMARY_AVERAGE, begin) == 0) {
            weld_json_set(&average, key + begin, json_incref(value));
        }
    }
    weld_json_set(&average, WELD_SUMMARY_WEIGHTS, json_string(WELD_SUMMARY_OF_AVERAGE));
    return average;
}

static json_t *summary_without_scores(const json_t *summary) {
    json_t *training = summary_of_training(summary);
    keep(&training, summary, WELD_SUMMARY_WEIGHTS);
    return training;
}

static weld_status rewrite_summary(const char *path, weld_model_file *mf,
                                   json_t *(*rewritten)(const json_t *), weld_error *err) {
    weld_json json = {.where = path, .err = err};
    json_t *summary = mf->summary ? weld_json_parse(&json, mf->summary) : NULL;
    weld_free(mf->summary);
    mf->summary = NULL;
    const weld_status status =
        summary ? weld_json_text(rewritten(summary), path, &mf->summary, err) : json.status;
    json_decref(summary);
    return status;
}

weld_status weld_model_drop_scores(const char *path, weld_model_file *mf, weld_error *err) {
    return rewrite_summary(path, mf, summary_without_scores, err);
}

static bool is_of_average(const weld_model_file *mf) {
    weld_json_fault fault;
    json_t *summary = mf->summary ? weld_json_tree_of(mf->summary, &fault) : NULL;
    const bool is = json_object_get(summary, WELD_SUMMARY_WEIGHTS) != NULL;
    json_decref(summary);
    return is && !mf->ema;
}

weld_status weld_model_take_average(const char *path, const char *key, weld_model_file *mf,
                                    weld_error *err) {
    if (strcmp(key, "ema") == 0 && is_of_average(mf)) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: its weights are the run's moving average (train.best ema), and there "
                         "are no others in it: leave the choice out",
                         path);
    }
    if (strcmp(key, "ema") != 0 || !mf->ema) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: is %s, which has no \"%s\" to choose: leave the choice out", path,
                         weld_file_text(path), key);
    }
    weld_weights_free(mf->weights);
    weld_weights_free(mf->moment1);
    weld_weights_free(mf->moment2);
    mf->weights = mf->ema;
    mf->moment1 = mf->moment2 = mf->ema = NULL;
    mf->temperature = 0; /* it was fitted to the other weights */
    return rewrite_summary(path, mf, summary_of_average, err);
}
