/* Parts of a network; see quantize_parts.h. */
#include "infer/quantize_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "infer/quantize_data.h"

enum { WEIGHT = 1 };

/* --- Which there are -------------------------------------------------------------------------- */

static bool is_layer(const weld_node *node) {
    return node->op->macs && weld_node_has_integer_form(node) && node->input_count > WEIGHT &&
           node->inputs[WEIGHT] && *node->inputs[WEIGHT]->name;
}

/* "features.3.token_mixer.0" of "features.3.token_mixer.0.weight". */
static const char *layer_name(const weld_node *node, char text[128]) {
    return weld_value_layer(node->outputs[0], text, 128);
}

static const char *module_name(const weld_node *node, char text[128]) {
    layer_name(node, text);
    char *dot = strrchr(text, '.');
    if (dot) {
        *dot = '\0';
    }
    return text;
}

static int find_part(const weld_parts *p, const char *name) {
    for (int i = 0; i < p->count; i++) {
        if (strcmp(p->parts[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

weld_status weld_parts_find(const weld_graph *g, weld_parts *out, weld_error *err) {
    *out = (weld_parts){.parts = weld_alloc(g->node_count, sizeof *out->parts),
                        .of = weld_alloc(g->node_count, sizeof *out->of),
                        .node_count = g->node_count};
    if (!out->parts || !out->of) {
        weld_parts_free(out);
        return weld_fail_memory(err, "quantising");
    }
    for (size_t i = 0; i < g->node_count; i++) {
        char name[128];
        out->of[i] = -1;
        if (!is_layer(g->nodes[i])) {
            continue;
        }
        module_name(g->nodes[i], name);
        out->of[i] = find_part(out, name);
        if (out->of[i] < 0) {
            out->of[i] = out->count++;
            snprintf(out->parts[out->of[i]].name, sizeof name, "%s", name);
        }
    }
    return WELD_OK;
}

void weld_parts_free(weld_parts *p) {
    weld_free(p->parts);
    weld_free(p->of);
    *p = (weld_parts){.parts = NULL};
}

/* --- Which are float -------------------------------------------------------------------------- */

static bool is_in(const char *layer, const char *module) {
    const size_t length = strlen(module);
    return strncmp(layer, module, length) == 0 && (layer[length] == '\0' || layer[length] == '.');
}

static int count_alike(const char *a, const char *b) {
    int count = 0;
    while (a[count] && a[count] == b[count]) {
        count++;
    }
    return count;
}

static weld_status fail_unknown(const weld_parts *p, const char *name, weld_error *err) {
    enum { MORE = 160 }; /* for what stands before the names */
    char known[WELD_ERROR_MESSAGE_SIZE - MORE] = "stem, head";
    int first = 0, told = 0;
    for (int i = 0, most = -1; i < p->count; i++) { /* from that on which begins most alike */
        const int alike = count_alike(p->parts[i].name, name);
        first = alike > most ? i : first;
        most = alike > most ? alike : most;
    }
    for (; told < p->count; told++) {
        const char *part = p->parts[(first + told) % p->count].name;
        if (strlen(known) + strlen(part) + 8 > sizeof known) {
            break;
        }
        weld_append(known, sizeof known, ", %s", part);
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "'%.60s': no layer or module of this name could stay float: there are %s%s",
                     name, known, told < p->count ? ", ..." : "");
}

/* Names as they are printed: "stem", "head", "stem (features.0)". */
static const char *resolve(const weld_parts *p, const char *name, char text[128]) {
    const char *open = strchr(name, '(');
    const size_t length = open ? strcspn(open + 1, ")") : 0;
    if (open && length < 128 && strcmp(open + 1 + length, ")") == 0) {
        memcpy(text, open + 1, length);
        text[length] = '\0';
        return text;
    }
    return p->count == 0               ? name
           : strcmp(name, "stem") == 0 ? p->parts[0].name
           : strcmp(name, "head") == 0 ? p->parts[p->count - 1].name
                                       : name;
}

static bool choose(const weld_parts *p, const weld_graph *g, const char *name, bool *float_nodes) {
    bool found = false;
    for (size_t i = 0; i < g->node_count; i++) {
        char layer[128];
        if (p->of[i] >= 0 && is_in(layer_name(g->nodes[i], layer), name)) {
            found = float_nodes[i] = true;
        }
    }
    return found;
}

weld_status weld_parts_choose_float(const weld_parts *p, const weld_graph *g,
                                    const char *const *names, size_t count, bool *float_nodes,
                                    weld_error *err) {
    memset(float_nodes, 0, g->node_count * sizeof *float_nodes);
    for (size_t n = 0; n < count; n++) {
        char text[128];
        if (!choose(p, g, names[n], float_nodes) &&
            !choose(p, g, resolve(p, names[n], text), float_nodes)) {
            return fail_unknown(p, names[n], err);
        }
    }
    return WELD_OK;
}

void weld_parts_note_float(weld_parts *p, const bool *float_nodes) {
    for (int i = 0; i < p->count; i++) {
        p->parts[i].is_float = true;
    }
    for (size_t i = 0; i < p->node_count; i++) {
        if (p->of[i] >= 0 && !float_nodes[i]) {
            p->parts[p->of[i]].is_float = false;
        }
    }
}

/* --- Their noise ------------------------------------------------------------------------------ */

typedef struct measuring {
    weld_parts *parts;
    const weld_grounds *on;
    weld_quantize_method method;
    const bool *float_nodes; /* those that stay float in any case */
    const weld_judge *judge;
    bool *others; /* room for a choice of nodes */
} measuring;

/* Parts [first, end) alone of integers. Where the first one is not so then *noise is NAN. */
static weld_status measure_some(const measuring *m, int first, int end, double *noise,
                                weld_error *err) {
    const weld_parts *p = m->parts;
    weld_attempt attempt;
    bool runs = false;
    for (size_t i = 0; i < p->node_count; i++) {
        const bool other = p->of[i] >= 0 && (p->of[i] < first || p->of[i] >= end);
        m->others[i] = other || m->float_nodes[i];
    }
    WELD_TRY(weld_attempt_make(m->on, m->method, m->others, &attempt, err));
    for (size_t i = 0; i < p->node_count; i++) {
        runs = runs || (p->of[i] == first &&
                        weld_quantization_is_integer(&attempt.codes, m->on->graph->nodes[i]));
    }
    *noise = NAN;
    weld_status status =
        runs ? weld_judge_noise(m->judge, attempt.graph, attempt.integers, noise, err) : WELD_OK;
    weld_attempt_free(&attempt);
    return status;
}

/* A depthwise convolution makes codes or nothing, so that it is not of integers where nothing after
 * it is: then it is measured with what follows, less that alone, which was measured before it. */
static weld_status measure(const measuring *m, int part, weld_error *err) {
    enum { MORE = 3 };
    weld_part *p = &m->parts->parts[part];
    double noise = NAN, rest = 0;
    int end = part;
    while (isnan(noise) && end < part + MORE && end < m->parts->count) {
        WELD_TRY(measure_some(m, part, ++end, &noise, err));
    }
    if (!isnan(noise) && end == part + 2) {
        rest = p[1].noise;
    } else if (!isnan(noise) && end > part + 2) {
        WELD_TRY(measure_some(m, part + 1, end, &rest, err));
    }
    p->noise = noise > rest ? noise - rest : 0;
    return WELD_OK;
}

weld_status weld_parts_measure(weld_parts *p, const weld_grounds *on, weld_quantize_method method,
                               const bool *float_nodes, const weld_judge *judge,
                               const weld_quantize_options *o, weld_error *err) {
    const measuring m = {.parts = p,
                         .on = on,
                         .method = method,
                         .float_nodes = float_nodes,
                         .judge = judge,
                         .others = weld_alloc(p->node_count, sizeof *m.others)};
    weld_status status = m.others ? WELD_OK : weld_fail_memory(err, "quantising");
    weld_parts_note_float(p, float_nodes);
    for (int i = p->count - 1; i >= 0 && !status; i--) {
        p->parts[i].noise = 0;
        weld_quantize_show(o, "measuring layers", p->count - 1 - i, p->count);
        if (!p->parts[i].is_float) {
            status = measure(&m, i, err);
        }
    }
    weld_free(m.others);
    return status;
}

double weld_parts_share(const weld_parts *p, int i) {
    double all = 0;
    for (int k = 0; k < p->count; k++) {
        all += p->parts[k].is_float ? 0 : p->parts[k].noise;
    }
    return all > 0 && !p->parts[i].is_float ? p->parts[i].noise / all : 0;
}

void weld_parts_rank(const weld_parts *p, int *order) {
    for (int i = 0; i < p->count; i++) {
        int at = i;
        for (; at > 0 && p->parts[order[at - 1]].noise < p->parts[i].noise; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}
