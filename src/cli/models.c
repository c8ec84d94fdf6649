/* weld models: the networks by name, or what comes of one with other values of its keys. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "models/models.h"

static void print_title(void) {
    printf("%-25s %11s %12s %16s %10s   (1000 classes, detectors 80; before merging)\n", "name",
           "parameters", "MACs [M]", "of attention [M]", "input size");
}

static weld_status print_counts(const weld_model_config *config, int size, weld_error *err) {
    weld_graph *graph;
    WELD_TRY(weld_model_build(config, false, 1, size, size, WELD_F32, &graph, err));
    weld_model_counts counts = weld_graph_counts(graph);
    printf("%-25s %11lld %12.1f %16.1f %10d\n", config->name, (long long)counts.parameters,
           (double)counts.macs / 1e6, (double)counts.attention_macs / 1e6, size);
    weld_graph_free(graph);
    return WELD_OK;
}

static int usual_size(const weld_model_config *config) {
    const weld_naming *naming = weld_model_find_naming(config, NULL, NULL);
    return weld_model_usual_preprocessing(config, naming).height;
}

/* All variants, or those of a family. size 0: the usual ones. */
static weld_status print_variants(const weld_model_family *family, int size, weld_error *err) {
    print_title();
    for (size_t i = 0; weld_model_name(i); i++) {
        weld_model_config config;
        WELD_TRY(weld_model_config_named(weld_model_name(i), &config, err));
        if (!family || weld_family_of(&config) == family) {
            WELD_TRY(print_counts(&config, size ? size : usual_size(&config), err));
        }
    }
    return WELD_OK;
}

/* "KEY=VALUE", of a family's key. */
static weld_status set_value(weld_model_config *config, const char *given, weld_error *err) {
    char key[64];
    const char *equals = strchr(given, '=');
    const size_t length = equals ? (size_t)(equals - given) : 0;
    if (!length || length >= sizeof key) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "--set %.80s: give KEY=VALUE", given);
    }
    snprintf(key, sizeof key, "%.*s", (int)length, given);
    return weld_model_config_set(config, key, equals + 1, err);
}

static weld_status print_one(const cli_call *call, int size, weld_error *err) {
    weld_model_config config;
    char text[1024] = "";
    WELD_TRY(weld_model_config_named(call->arguments[0], &config, err));
    if (!call->text_count && !weld_model_is_variant(config.name)) {
        return print_variants(weld_family_of(&config), size, err);
    }
    for (size_t i = 0; i < call->text_count; i++) {
        WELD_TRY(set_value(&config, call->texts[i], err));
    }
    WELD_TRY(weld_model_config_check(&config, NULL, err));
    size = size ? size : usual_size(&config);
    print_title();
    WELD_TRY(print_counts(&config, size, err));
    const weld_model_family *family = weld_family_of(&config);
    if (family->describe) {
        family->describe(&config, size, text, sizeof text);
        printf("%s", text);
    }
    return WELD_OK;
}

weld_status cli_models(cli_call *call, weld_error *err) {
    int size = 0;
    const cli_option options[] = {
        {"set", 0, CLI_TEXTS, NULL, "KEY=VALUE", "of NAME: a key of its family; any number"},
        {"size", 0, CLI_COUNT, &size, "N", "of NAME: height and width (the usual ones)"},
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    if (call->count) {
        return print_one(call, size, err);
    }
    if (size || call->text_count) {
        cli_usage(call, "--set and --size are of one network: give its name");
    }
    return print_variants(NULL, 0, err);
}
