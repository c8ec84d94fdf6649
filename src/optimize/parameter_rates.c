/* The learning rates of parts and layers; see parameter_rates.h. */
#include "optimize/parameter_rates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "models/models.h"
#include "passes/fake_quantize.h"

static weld_model_place place_of(const weld_model_config *config, const weld_graph *g, size_t i) {
    return weld_model_place_of(config, weld_value_name(weld_graph_parameter(g, i)));
}

weld_status weld_parameter_rates_create(const weld_model_config *config, const weld_graph *g,
                                        const weld_rate_options *options, weld_parameter_rate **out,
                                        weld_error *err) {
    size_t count = weld_graph_parameter_count(g);
    double decay = options->layer_decay ? options->layer_decay : 1;
    double head_scale = options->head_scale ? options->head_scale : 1;
    int head = weld_model_stage_count(config) + 1, last = 0;
    weld_parameter_rate *rates = weld_alloc(count, sizeof *rates);
    if (!rates) {
        return weld_fail_memory(err, "learning rates");
    }
    for (size_t i = 0; i < count; i++) {
        int layer = place_of(config, g, i).layer;
        last = layer > last ? layer : last;
    }
    for (size_t i = 0; i < count; i++) {
        weld_model_place p = place_of(config, g, i);
        if (strcmp(weld_value_name(weld_graph_parameter(g, i)), WELD_FAKE_STEPS) == 0) {
            rates[i] = (weld_parameter_rate){true, 1}; /* of all layers */
            continue;
        }
        if (p.part >= options->frozen) {
            double scale = pow(decay, last - p.layer);
            rates[i] = (weld_parameter_rate){true, p.part == head ? scale * head_scale : scale};
        }
    }
    *out = rates;
    return WELD_OK;
}

static const char *part_name(const weld_model_config *config, int part, char name[16]) {
    if (part > 0 && part <= weld_model_stage_count(config)) {
        snprintf(name, 16, "stage%d", part);
        return name;
    }
    return part == 0 ? "stem" : "head";
}

/* Appends; what does not fit is left out. */
static void add_text(char *text, size_t size, const char *added) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", added);
}

const char *weld_parameter_rates_text(const weld_model_config *config, const weld_graph *g,
                                      const weld_parameter_rate *rates, double lr, char *text,
                                      size_t size) {
    text[0] = 0;
    for (int part = 0; part <= weld_model_stage_count(config) + 1; part++) {
        double low = HUGE_VAL, high = 0;
        char name[16], added[80];
        for (size_t i = 0; i < weld_graph_parameter_count(g); i++) {
            if (rates[i].trained && place_of(config, g, i).part == part) {
                low = fmin(low, lr * rates[i].scale);
                high = fmax(high, lr * rates[i].scale);
            }
        }
        const char *comma = part ? ", " : "", *called = part_name(config, part, name);
        if (low > high) {
            weld_snprintf(added, sizeof added, "%s%s frozen", comma, called);
        } else if (low < high) {
            weld_snprintf(added, sizeof added, "%s%s %.3g to %.3g", comma, called, low, high);
        } else {
            weld_snprintf(added, sizeof added, "%s%s %.3g", comma, called, low);
        }
        add_text(text, size, added);
    }
    return text;
}
