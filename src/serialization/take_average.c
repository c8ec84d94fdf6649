/* The moving average of a checkpoint; see take_average.h. */
#include "serialization/take_average.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/json.h"
#include "formats/json_tree.h"
#include "serialization/summary_keys.h"

/* What is true of both networks, unless the average says otherwise. */
static const char *const OF_BOTH[] = {
    WELD_SUMMARY_EPOCHS,  WELD_SUMMARY_STEPS, WELD_SUMMARY_TRAIN_IMAGES, WELD_SUMMARY_INIT,
    WELD_SUMMARY_TEACHER, WELD_SUMMARY_MIXED, WELD_SUMMARY_IMAGES,       WELD_SUMMARY_SKIPPED};

static json_t *summary_of_average(const json_t *summary) {
    const size_t begin = strlen(WELD_SUMMARY_AVERAGE);
    json_t *average = json_object();
    const char *key;
    json_t *value;
    for (size_t i = 0; i < sizeof OF_BOTH / sizeof *OF_BOTH; i++) {
        if ((value = json_object_get(summary, OF_BOTH[i]))) {
            weld_json_set(&average, OF_BOTH[i], json_incref(value));
        }
    }
    json_object_foreach((json_t *)(uintptr_t)summary, key, value) {
        if (strncmp(key, WELD_SUMMARY_AVERAGE, begin) == 0) {
            weld_json_set(&average, key + begin, json_incref(value));
        }
    }
    weld_json_set(&average, WELD_SUMMARY_WEIGHTS, json_string(WELD_SUMMARY_OF_AVERAGE));
    return average;
}

static weld_status rewrite_summary(const char *path, weld_model_file *mf, weld_error *err) {
    weld_json json = {.where = path, .err = err};
    json_t *summary = mf->summary ? weld_json_parse(&json, mf->summary) : NULL;
    weld_free(mf->summary);
    mf->summary = NULL;
    const weld_status status =
        summary ? weld_json_text(summary_of_average(summary), path, &mf->summary, err)
                : json.status;
    json_decref(summary);
    return status;
}

/* As train.best ema leaves best.h5. */
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
    return rewrite_summary(path, mf, err);
}
