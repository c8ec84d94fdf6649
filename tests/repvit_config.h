/* Configurations of small networks, as tests want them. */
#ifndef WELD_TESTS_REPVIT_CONFIG_H
#define WELD_TESTS_REPVIT_CONFIG_H

#include <check.h>
#include <stdio.h>

#include "weld/model.h"

static inline void set_value(weld_model_config *config, const char *key, const char *text) {
    weld_error e = {0};
    ck_assert_msg(weld_model_config_set(config, key, text, &e) == WELD_OK, "%s", e.message);
}

static inline void set_flag(weld_model_config *config, const char *key, bool on) {
    set_value(config, key, on ? "true" : "false");
}

/* The first element of a value. */
static inline int value_of(const weld_model_config *config, const char *key) {
    double number;
    ck_assert_int_ge(weld_model_config_numbers(config, key, &number, 1), 1);
    return (int)number;
}

/* channels and depths: "8, 12" */
static inline weld_model_config repvit_config(int classes, const char *channels, const char *depths,
                                              int stem_stride, bool legacy,
                                              bool distillation_head) {
    weld_model_config config;
    char stride[16];
    ck_assert_int_eq(weld_model_config_named("repvit", &config, NULL), WELD_OK);
    snprintf(stride, sizeof stride, "%d", stem_stride);
    config.num_classes = classes;
    set_value(&config, "channels", channels);
    set_value(&config, "depths", depths);
    set_value(&config, "stem_stride", stride);
    set_flag(&config, "legacy", legacy);
    set_flag(&config, "distillation_head", distillation_head);
    return config;
}

#endif
