/* weld inspect: what a file holds, whatever sort of file it is. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/inspect.h"
#include "cli/model_options.h"
#include "infer/model.h"

typedef struct request {
    inspection in;
    cli_model_options model;
    bool graph, dot;
} request;

static weld_status print_graph(const request *r, const weld_model *m, weld_error *err) {
    bool written = (r->graph ? weld_graph_print : weld_graph_print_dot)(m->graph, stdout);
    return written ? WELD_OK : weld_fail(err, WELD_ERROR_IO, "the graph cannot be written");
}

/* A file of weld's own. */
static weld_status inspect_own(request *r, weld_error *err) {
    inspection *in = &r->in;
    weld_model *m;
    weld_status status = cli_open_model(in->path, &r->model, &m, err);
    if (status) {
        return status;
    }
    if (r->graph || r->dot) {
        status = print_graph(r, m, err);
    } else {
        if (!in->tensors || in->json) {
            inspect_model(in, m);
        }
        if (in->tensors) {
            inspect_weights(in, m->file.weights);
        }
    }
    weld_model_free(m);
    return status;
}

/* The tensors of another program's file as they stand there. `reason`: why they are of no network,
 * or NULL. */
static weld_status list_tensors(request *r, const char *reason, weld_error *err) {
    inspection *in = &r->in;
    weld_state_dict *d;
    WELD_TRY(weld_state_dict_open(in->path, r->model.known.key, &d, err));
    if (reason) {
        size_t path = strlen(in->path);
        bool named = strncmp(reason, in->path, path) == 0 && strncmp(reason + path, ": ", 2) == 0;
        bool pth = in->kind == WELD_FILE_PTH;
        inspect_title(in, pth ? "pth" : "safetensors", "%s",
                      pth ? "a PyTorch .pth file" : weld_file_kind_text(in->kind));
        inspect_fact(in, "state dict", inspect_string(weld_state_dict_key(d)),
                     *weld_state_dict_key(d) ? "%s" : NULL, weld_state_dict_key(d));
        inspect_fact(in, "network", NULL, "none that can be used");
        inspect_fact(in, "reason", inspect_string(reason), "%s", reason + (named ? path + 2 : 0));
    }
    weld_status status = inspect_state_dict(in, d, err);
    weld_state_dict_free(d);
    return status;
}

static weld_status inspect_foreign(request *r, weld_error *err) {
    inspection *in = &r->in;
    weld_model *m;
    weld_status status = cli_open_model(in->path, &r->model, &m, err);
    if (status) {
        weld_error reason = *err;
        return r->graph || r->dot ? status : list_tensors(r, reason.message, err);
    }
    if (r->graph || r->dot) {
        status = print_graph(r, m, err);
    } else {
        if (!in->tensors || in->json) {
            inspect_model(in, m);
        }
        status = in->tensors ? list_tensors(r, NULL, err) : WELD_OK;
    }
    weld_model_free(m);
    return status;
}

/* --- Which sort of file? ---------------------------------------------------------------------- */

static weld_status dataset(request *r, weld_error *err) {
    return inspect_dataset(&r->in, err);
}

static weld_status array(request *r, weld_error *err) {
    return inspect_array(&r->in, err);
}

static weld_status image(request *r, weld_error *err) {
    return inspect_image(&r->in, err);
}

static weld_status recipe(request *r, weld_error *err) {
    return inspect_recipe(&r->in, err);
}

typedef struct sort {
    const char *name; /* for messages */
    weld_status (*inspect)(request *r, weld_error *err);
} sort;

static sort sort_of(const inspection *in) {
    const char *dot = strrchr(in->path, '.');
    switch (in->kind) {
    case WELD_FILE_PACKED:
    case WELD_FILE_FOLDER:
    case WELD_FILE_TAR:
    case WELD_FILE_COMPRESSED:
        return (sort){"a data set", dataset};
    case WELD_FILE_NPY:
        return (sort){"an array", array};
    case WELD_FILE_JPEG:
    case WELD_FILE_PNG:
    case WELD_FILE_WEBP:
        return (sort){"an image", image};
    case WELD_FILE_PTH:
    case WELD_FILE_PICKLE:
    case WELD_FILE_SAFETENSORS:
        return (sort){"a network", inspect_foreign};
    default: /* a recipe is a text like any other, but for its name */
        return in->kind == WELD_FILE_UNKNOWN && dot &&
                       (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0)
                   ? (sort){"a recipe", recipe}
                   : (sort){"a network", inspect_own};
    }
}

/* An option that was given though it says nothing about this sort of file, or NULL. */
static const char *misplaced(const request *r, sort s) {
    bool network = s.inspect == inspect_own || s.inspect == inspect_foreign;
    return r->graph && !network                  ? "graph"
           : r->dot && !network                  ? "dot"
           : r->in.tensors && !network           ? "tensors"
           : r->in.check && s.inspect != dataset ? "check"
                                                 : NULL;
}

int cli_inspect(const cli_command *command, int argc, char **argv) {
    request r = {0};
    bool json = false;
    int count, status;
    const cli_option options[] = {
        {"tensors", 0, CLI_FLAG, &r.in.tensors, NULL, "each tensor: shape, type, mean, range"},
        {"graph", 0, CLI_FLAG, &r.graph, NULL, "print the network's graph"},
        {"dot", 0, CLI_FLAG, &r.dot, NULL, "print the graph for Graphviz"},
        {"check", 0, CLI_FLAG, &r.in.check, NULL, "read every image of a data set"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON object"},
        CLI_MODEL_OPTIONS(r.model),
        CLI_MODEL_SIZE(r.model),
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        return status;
    }
    r.in.path = argv[1];
    r.in.kind = weld_file_kind_of(argv[1]);
    sort s = sort_of(&r.in);
    const char *option = misplaced(&r, s);
    if (option) {
        return cli_fail_text("%s: is %s: leave out --%s", argv[1], s.name, option);
    }
    r.in.json = json && !r.graph && !r.dot ? json_object() : NULL;
    weld_error err;
    weld_status done = s.inspect(&r, &err);
    if (done == WELD_OK && r.in.json) {
        json_dumpf(r.in.json, stdout, JSON_REAL_PRECISION(9));
        putchar('\n');
    }
    json_decref(r.in.json);
    return done == WELD_OK ? CLI_DONE : cli_fail(&err);
}
