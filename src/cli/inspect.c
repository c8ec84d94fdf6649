/* weld inspect: what a file holds, whatever sort of file it is. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/text.h"
#include "cli/input_options.h"
#include "cli/inspect.h"
#include "datasets/data_yaml.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "formats/logit_cache.h"
#include "infer/model.h"

static bool is_foreign(weld_file_kind kind) {
    return kind == WELD_FILE_PTH || kind == WELD_FILE_PICKLE || kind == WELD_FILE_SAFETENSORS ||
           kind == WELD_FILE_SHARDS;
}

/* The tensors of another program's file as they stand there. `reason`: why they are of no network,
 * or NULL. */
static weld_status list_tensors(inspection *in, const char *reason, weld_error *err) {
    weld_state_dict *d;
    WELD_TRY(weld_state_dict_open(in->path, in->model.known.key, &d, err));
    if (reason) {
        size_t path = strlen(in->path);
        bool named = strncmp(reason, in->path, path) == 0 && strncmp(reason + path, ": ", 2) == 0;
        inspect_foreign_title(in, in->kind, weld_state_dict_is_unchecked(d));
        inspect_fact(in, "state dict", weld_json_name(weld_state_dict_key(d)),
                     *weld_state_dict_key(d) ? "%s" : NULL, weld_state_dict_key(d));
        inspect_fact(in, "network", NULL, "none that can be used");
        inspect_fact(in, "reason", weld_json_name(reason), "%s", reason + (named ? path + 2 : 0));
    }
    weld_status status = inspect_state_dict(in, d, err);
    status = !status && in->check ? inspect_check_state_dict(in, d, err) : status;
    weld_state_dict_free(d);
    return status;
}

/* Of a network that was opened: what is weld's own was held to its checksum then. */
static weld_status check_network(inspection *in, weld_error *err) {
    if (!is_foreign(in->kind)) {
        inspect_checked(in, true, "%s", "");
        return WELD_OK;
    }
    weld_state_dict *d;
    WELD_TRY(weld_state_dict_open(in->path, in->model.known.key, &d, err));
    const weld_status status = inspect_check_state_dict(in, d, err);
    weld_state_dict_free(d);
    return status;
}

/* Whether it arrived is seen in the end, as of all that is printed. */
static void print_graph(const inspection *in, const weld_model *m) {
    (void)(in->graph ? weld_graph_print : weld_graph_print_dot)(weld_model_graph(m), stdout);
}

/* A file of weld's own, or of another program. */
static weld_status inspect_network(inspection *in, weld_error *err) {
    const bool graph = in->graph || in->dot, foreign = is_foreign(in->kind);
    weld_model *m;
    weld_status status = cli_open_model(in->path, &in->model, &m, err);
    if (status) {
        weld_error reason = *err;
        return graph || !foreign || status == WELD_ERROR_MEMORY
                   ? status
                   : list_tensors(in, reason.message, err);
    }
    if (!graph && (!in->tensors || in->json)) {
        inspect_model(in, m);
    }
    if (graph) {
        print_graph(in, m);
    } else if (in->tensors && foreign) {
        status = list_tensors(in, NULL, err);
    } else if (in->tensors) {
        inspect_weights(in, m->file.weights);
    }
    if (!status && in->check && !graph && !(in->tensors && foreign)) { /* else it was by now */
        status = check_network(in, err);
    }
    weld_model_free(m);
    return status;
}

/* --- Which sort of file? ---------------------------------------------------------------------- */

/* A recipe has no names of classes at its top. */
static weld_status is_data_yaml(const char *path, bool *is_one, weld_error *err) {
    weld_data_yaml yaml;
    const weld_status status = weld_data_yaml_read(path, &yaml, NULL);
    weld_data_yaml_free(&yaml);
    *is_one = !status;
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, path) : WELD_OK;
}

typedef struct sort {
    const char *name; /* for messages */
    weld_status (*inspect)(inspection *in, weld_error *err);
} sort;

static const sort of_network = {"a network", inspect_network};
static const sort of_data = {"a data set", inspect_dataset};
static const sort of_recipe = {"a recipe", inspect_recipe};
static const sort of_cache = {"what a teacher said", inspect_cache};
static const sort of_partial_cache = {"an unfinished cache", inspect_partial_cache};

/* Recipes, lists and annotations are texts like any other, but for their names. */
static weld_status find_sort_of_text(const char *path, const char *ending, sort *out,
                                     weld_error *err) {
    bool is_data = weld_strcasecmp(ending, ".csv") == 0 || weld_strcasecmp(ending, ".json") == 0;
    *out = is_data ? of_data : of_network;
    if (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0) {
        WELD_TRY(is_data_yaml(path, &is_data, err));
        *out = is_data ? of_data : of_recipe;
    }
    return WELD_OK;
}

static weld_status find_sort(const inspection *in, sort *out, weld_error *err) {
    const char *dot = strrchr(in->path, '.');
    bool is_cache = false;
    *out = of_network;
    switch (in->kind) {
    case WELD_FILE_PACKED:
    case WELD_FILE_FOLDER:
    case WELD_FILE_TAR:
    case WELD_FILE_COMPRESSED:
        *out = of_data;
        return WELD_OK;
    case WELD_FILE_NPY:
        *out = (sort){"an array", inspect_array};
        return WELD_OK;
    case WELD_FILE_JPEG:
    case WELD_FILE_PNG:
    case WELD_FILE_WEBP:
        *out = (sort){"an image", inspect_image};
        return WELD_OK;
    case WELD_FILE_SAFETENSORS: /* as tensors, a cache is a file like any other */
        if (weld_logit_cache_is_partial(in->path, NULL)) {
            *out = of_partial_cache;
            return WELD_OK;
        }
        WELD_TRY(in->tensors ? WELD_OK : inspect_is_cache(in->path, &is_cache, err));
        *out = is_cache ? of_cache : of_network;
        return WELD_OK;
    default:
        return in->kind == WELD_FILE_UNKNOWN && dot ? find_sort_of_text(in->path, dot, out, err)
                                                    : WELD_OK;
    }
}

/* An option that was given though it says nothing about this sort of file, or NULL. */
static const char *misplaced(const inspection *in, sort s) {
    const bool network = s.inspect == inspect_network, data = s.inspect == inspect_dataset;
    const bool decodes = s.inspect == inspect_image || (data && in->check);
    return in->graph && !network        ? "graph"
           : in->dot && !network        ? "dot"
           : in->tensors && !network    ? "tensors"
           : in->max_pixels && !decodes ? "max-pixels"
                                        : NULL;
}

/* What is of no kind may be no file. */
static weld_status check_readable(const inspection *in, weld_error *err) {
    int descriptor = -1;
    uint64_t size;
    weld_status status =
        in->kind == WELD_FILE_UNKNOWN ? weld_file_open(in->path, &descriptor, &size, err) : WELD_OK;
    if (descriptor >= 0) {
        close(descriptor);
    }
    return status;
}

weld_status cli_inspect(cli_call *call, weld_error *err) {
    inspection in = {0};
    bool json = false;
    const cli_option options[] = {
        {"tensors", 0, CLI_FLAG, &in.tensors, NULL, "each tensor: shape, type, mean, range"},
        {"graph", 0, CLI_FLAG, &in.graph, NULL, "print the network's graph"},
        {"dot", 0, CLI_FLAG, &in.dot, NULL, "print the graph for Graphviz"},
        {"check", 0, CLI_FLAG, &in.check, NULL,
         "read all of it, every image of a data set: is it sound? (exit status 1: no)"},
        CLI_MAX_PIXELS(in.max_pixels),
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(in.model),
        CLI_MODEL_SIZE(in.model),
    };
    cli_parse(call, options, sizeof options / sizeof *options);
    cli_check_max_pixels(call, in.max_pixels);
    in.path = call->arguments[0];
    in.kind = weld_file_kind_of(in.path);
    WELD_TRY(check_readable(&in, err));
    sort s;
    WELD_TRY(find_sort(&in, &s, err));
    const char *option = misplaced(&in, s);
    if (option) {
        return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: is %s: leave out --%s", in.path, s.name,
                         option);
    }
    in.json = json && !in.graph && !in.dot ? json_object() : NULL;
    weld_status status = s.inspect(&in, err);
    if (!status && in.json) {
        cli_print_json(json_incref(in.json), 9);
    }
    json_decref(in.json);
    return status || !in.unreadable
               ? status
               : weld_fail(err, WELD_ERROR_FORMAT, "%s: %lld of %lld %s cannot be read", in.path,
                           (long long)in.unreadable, (long long)in.checked,
                           s.inspect == inspect_cache ? weld_plural(in.checked, "row", "rows")
                                                      : weld_plural(in.checked, "image", "images"));
}
