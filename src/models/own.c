/* Networks that programs build themselves, by weld/graph.h. No config says how: their files carry
 * the graph (serialization/model_file.h), and what a family knows of its networks nobody knows of
 * these. They are called "own", or "own:TITLE". */
#include "models/own.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* ':' and what is behind it. */
#define BEFORE_TITLE "own:"
#define TITLE_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

weld_status weld_own_config(const char *title, int num_classes, weld_model_config *out,
                            weld_error *err) {
    weld_model_config config = {.num_classes = num_classes};
    const size_t length = title ? strlen(title) : 0;
    bool good = length < sizeof config.name - strlen(BEFORE_TITLE);
    for (size_t i = 0; i < length; i++) {
        good = good && strchr(TITLE_LETTERS, title[i]);
    }
    if (!good) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "network '%.80s': a name has letters, digits, '_', '-' and '.', and at "
                         "most %zu of them",
                         title, sizeof config.name - sizeof BEFORE_TITLE);
    }
    if (num_classes < 1 || num_classes > WELD_MAX_CLASSES) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "network: %d classes: it must be 1..%d",
                         num_classes, WELD_MAX_CLASSES);
    }
    snprintf(config.name, sizeof config.name, "%s%s", length ? BEFORE_TITLE : weld_family_own.name,
             length ? title : "");
    *out = config;
    return WELD_OK;
}

static weld_status check(const weld_model_config *config, const char **key, weld_error *err) {
    (void)config, (void)key;
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "a program built this network, and its file has it as it is evaluated: it can "
                     "be run, merged and exported, but weld cannot build it to be trained");
}

static int stage_count(const weld_model_config *config) {
    (void)config;
    return 0;
}

static int64_t block_count(const weld_model_config *config) {
    (void)config;
    return 0;
}

static weld_model_place place(const weld_model_config *config, const char *name) {
    (void)config, (void)name;
    return (weld_model_place){.part = 0};
}

static bool tensor_name(const weld_model_config *config, const weld_naming *naming,
                        const char *name, char out[WELD_TENSOR_NAME_SIZE]) {
    (void)config, (void)naming;
    return snprintf(out, WELD_TENSOR_NAME_SIZE, "%s", name) < WELD_TENSOR_NAME_SIZE;
}

static weld_preprocessing usual(const weld_model_config *config, const weld_naming *naming) {
    (void)config, (void)naming;
    return weld_preprocessing_of(224);
}

static const weld_naming namings[] = {{"official", "the program's", "the program's names"}};
static const weld_key no_keys[1];

const weld_model_family weld_family_own = {
    .name = "own",
    .task = "classification",
    .in_files_alone = true,
    .keys = no_keys,
    .namings = namings,
    .naming_count = sizeof namings / sizeof *namings,
    .check = check,
    .stage_count = stage_count,
    .block_count = block_count,
    .place = place,
    .tensor_name = tensor_name,
    .usual = usual,
};
