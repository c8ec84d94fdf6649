/* weld inspect: what a file holds. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/model_options.h"
#include "formats/file_kind.h"
#include "formats/packed.h"
#include "infer/model.h"

static void print_list(const char *title, const int *values, int count) {
    printf("%-16s", title);
    for (int i = 0; i < count; i++) {
        printf(" %d", values[i]);
    }
    putchar('\n');
}

static void print_network(const weld_model *m) {
    const weld_model_config *c = &m->file.config;
    weld_model_counts counts = weld_graph_counts(m->graph);
    printf("%-16s %s%s%s\n", "network", c->name, c->legacy ? ", legacy token mixer" : "",
           c->distillation_head ? ", distillation head" : "");
    print_list("channels", c->channels, c->stage_count);
    print_list("depths", c->depths, c->stage_count);
    printf("%-16s %d\n", "stem stride", c->stem_stride);
    printf("%-16s %lld\n", "parameters", (long long)counts.parameters);
    printf("%-16s %lld\n", "convolutions", (long long)counts.convolutions);
    printf("%-16s %.1f M at %d x %d\n", "MACs", (double)counts.macs / 1e6,
           m->file.preprocessing.input_size, m->file.preprocessing.input_size);
}

static void print_preprocessing(const weld_preprocessing *p) {
    printf("%-16s size %d, crop fraction %g, %s, mean %g %g %g, std %g %g %g\n", "preprocessing",
           p->input_size, p->crop_fraction,
           p->interpolation == WELD_BICUBIC ? "bicubic" : "bilinear", (double)p->mean[0],
           (double)p->mean[1], (double)p->mean[2], (double)p->std[0], (double)p->std[1],
           (double)p->std[2]);
}

enum { FEW_CLASSES = 12 };

static void print_classes(const weld_model *m) {
    int count = m->file.config.num_classes;
    printf("%-16s %d", "classes", count);
    for (int i = 0; i < count && i < FEW_CLASSES && weld_model_class_name(m, i); i++) {
        printf("%s%s", i ? ", " : ": ", weld_model_class_name(m, i));
    }
    puts(count > FEW_CLASSES && weld_model_class_name(m, 0) ? ", ..." : "");
}

static void print_text(const char *title, const char *text) {
    if (text && *text) {
        printf("%s\n", title);
        for (const char *line = text; *line;) {
            size_t length = strcspn(line, "\n");
            printf("    %.*s\n", (int)length, line);
            line += length + (line[length] == '\n');
        }
    }
}

static void print_training(const weld_model_file *f) {
    if (f->kind == WELD_MODEL_CHECKPOINT && f->trainer.step > 0) {
        const weld_trainer_state *t = &f->trainer;
        printf("%-16s epoch %lld, %lld updates", "trained", (long long)t->epoch,
               (long long)t->step);
        if (t->best_epoch >= 0) {
            printf(", best top-1 %.2f %% in epoch %lld", t->best_score, (long long)t->best_epoch);
        }
        putchar('\n');
    }
    print_text("summary", f->summary);
    print_text("verification", f->verification);
    print_text("recipe", f->recipe);
}

/* Element i of a tensor as double. */
static double element(const weld_tensor *t, int64_t i) {
    switch (t->dtype) {
    case WELD_F32:
        return (double)((const float *)t->data)[i];
    case WELD_F64:
        return ((const double *)t->data)[i];
    case WELD_I64:
        return (double)((const int64_t *)t->data)[i];
    case WELD_BF16:
        break;
    }
    return NAN;
}

static void print_tensors(const weld_weights *w) {
    printf("%-52s %-5s %-20s %12s %12s %12s\n", "tensor", "type", "shape", "mean", "least",
           "largest");
    for (size_t i = 0; i < weld_weights_count(w); i++) {
        weld_tensor t = weld_weights_tensor(w, i);
        int64_t count = weld_shape_count(&t.shape), bad = 0;
        double sum = 0, least = INFINITY, largest = -INFINITY;
        for (int64_t j = 0; j < count; j++) {
            double x = element(&t, j);
            sum += x;
            least = fmin(least, x);
            largest = fmax(largest, x);
            bad += !isfinite(x);
        }
        char shape[128];
        printf("%-52s %-5s %-20s %12.5g %12.5g %12.5g", weld_weights_name(w, i),
               weld_dtype_name(t.dtype), weld_shape_text(&t.shape, shape, sizeof shape),
               sum / (double)count, least, largest);
        if (bad) {
            printf("  %lld not finite", (long long)bad);
        }
        putchar('\n');
    }
}

static int inspect_packed(const char *path) {
    weld_packed *p;
    weld_error err;
    if (weld_packed_open(path, &p, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    weld_packed_layout layout = weld_packed_get_layout(p);
    printf("%s: a packed data set of weld\n", path);
    printf("%-16s %lld\n", "images", (long long)weld_packed_count(p));
    if (layout.height) {
        printf("%-16s raw pixels, %d x %d, %d channel%s\n", "stored as", layout.width,
               layout.height, layout.channels, layout.channels > 1 ? "s" : "");
    } else {
        printf("%-16s image files\n", "stored as");
    }
    printf("%-16s %d\n", "classes", weld_packed_class_count(p));
    int64_t *images = weld_alloc((size_t)weld_packed_class_count(p), sizeof *images);
    for (int64_t i = 0; images && i < weld_packed_count(p); i++) {
        images[weld_packed_label(p, i)]++;
    }
    for (int i = 0; images && i < weld_packed_class_count(p); i++) {
        printf("    %-28s %lld\n", weld_packed_class_name(p, i), (long long)images[i]);
    }
    weld_free(images);
    weld_packed_close(p);
    return CLI_DONE;
}

int cli_inspect(const cli_command *command, int argc, char **argv) {
    bool graph = false, dot = false, tensors = false;
    int count, status;
    cli_model_options model = {0};
    const cli_option options[] = {
        {"graph", 0, CLI_FLAG, &graph, NULL, "print the network's graph"},
        {"dot", 0, CLI_FLAG, &dot, NULL, "print the graph for Graphviz"},
        {"tensors", 0, CLI_FLAG, &tensors, NULL, "list the tensors: shape, type, mean, range"},
        CLI_MODEL_OPTIONS(model),
        CLI_MODEL_SIZE(model),
    };
    if (!cli_parse(command, argc, argv, options, sizeof options / sizeof *options, 1, 1, &count,
                   &status)) {
        return status;
    }
    if (weld_packed_is(argv[1])) {
        return inspect_packed(argv[1]);
    }
    weld_error err;
    weld_model *m;
    if (cli_open_model(argv[1], &model, &m, &err) != WELD_OK) {
        return cli_fail(&err);
    }
    if (graph) {
        weld_graph_print(m->graph, stdout);
    } else if (dot) {
        weld_graph_print_dot(m->graph, stdout);
    } else if (tensors) {
        print_tensors(m->file.weights);
    } else {
        printf("%s: %s", argv[1], weld_file_kind_text(weld_file_kind_of(argv[1])));
        if (m->file.program_version) {
            printf(", written by weld %s", m->file.program_version);
        }
        putchar('\n');
        print_network(m);
        print_classes(m);
        print_preprocessing(&m->file.preprocessing);
        print_training(&m->file);
    }
    weld_model_free(m);
    return CLI_DONE;
}
