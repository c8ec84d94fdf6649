/* Printing graphs for people, and the table of attribute fields that printing and files share. */
#include "graph/graph.h"

#include <stddef.h>

#include "base/locale.h"

#define FIELD(bit, name, type)                                                                     \
    { bit, #name, type, offsetof(weld_attributes, name), false }
#define OPTIONAL_FIELD(bit, name, type)                                                            \
    { bit, #name, type, offsetof(weld_attributes, name), true }

const weld_attribute_field weld_attribute_fields[] = {
    FIELD(WELD_ATTR_KERNEL, kernel, WELD_FIELD_INT2),
    FIELD(WELD_ATTR_STRIDE, stride, WELD_FIELD_INT2),
    FIELD(WELD_ATTR_PADDING, padding, WELD_FIELD_INT2),
    FIELD(WELD_ATTR_GROUPS, groups, WELD_FIELD_INT),
    FIELD(WELD_ATTR_EPS, eps, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_MOMENTUM, momentum, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_FACTOR, factor, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_PROBABILITY, probability, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_HEADS, heads, WELD_FIELD_INT),
    FIELD(WELD_ATTR_AXIS, axis, WELD_FIELD_INT),
    FIELD(WELD_ATTR_FUNCTION, function, WELD_FIELD_INT),
    FIELD(WELD_ATTR_BEGIN, begin, WELD_FIELD_INT64),
    FIELD(WELD_ATTR_END, end, WELD_FIELD_INT64),
    FIELD(WELD_ATTR_SHAPE, shape, WELD_FIELD_SHAPE),
    FIELD(WELD_ATTR_SALT, salt, WELD_FIELD_INT64),
    FIELD(WELD_ATTR_DTYPE, dtype, WELD_FIELD_DTYPE),
    FIELD(WELD_ATTR_LOW, low, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_HIGH, high, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_COUNT, count, WELD_FIELD_INT),
    FIELD(WELD_ATTR_ALPHA, alpha, WELD_FIELD_DOUBLE),
    FIELD(WELD_ATTR_BETA, beta, WELD_FIELD_DOUBLE),
    OPTIONAL_FIELD(WELD_ATTR_DILATION, dilation, WELD_FIELD_INT2),
    OPTIONAL_FIELD(WELD_ATTR_SAME, same, WELD_FIELD_BOOL),
    OPTIONAL_FIELD(WELD_ATTR_UNROUNDED, unrounded, WELD_FIELD_BOOL),
    FIELD(WELD_ATTR_CODES, codes, WELD_FIELD_CODES),
};
const size_t weld_attribute_field_count =
    sizeof weld_attribute_fields / sizeof *weld_attribute_fields;

static bool is_zero(const weld_attribute_field *field, const void *at) {
    const int *pair = at;
    return field->type == WELD_FIELD_BOOL ? !*(const bool *)at : pair[0] == 0 && pair[1] == 0;
}

bool weld_node_has_field(const weld_node *node, const weld_attribute_field *field) {
    const void *at = (const char *)&node->attributes + field->offset;
    return node->op->attributes & field->bit && !(field->optional && is_zero(field, at));
}

/* "0.0235@128,-,0.0117@0": scale and zero point of each, up to the last there is. */
static void print_codes(const weld_codes *codes, FILE *out) {
    int count = WELD_MAX_CODES;
    while (count > 1 && codes[count - 1].scale == 0) {
        count--;
    }
    for (int i = 0; i < count; i++) {
        char text[64] = "-";
        if (codes[i].scale != 0) {
            weld_snprintf(text, sizeof text, "%.9g@%d", (double)codes[i].scale, codes[i].zero);
        }
        fprintf(out, i ? ",%s" : "%s", text);
    }
}

static void print_field(const weld_attribute_field *field, const void *at, FILE *out) {
    char text[128];
    const int *pair = at;
    fprintf(out, " %s=", field->name);
    switch (field->type) {
    case WELD_FIELD_INT:
        fprintf(out, "%d", *(const int *)at);
        break;
    case WELD_FIELD_INT2:
        fprintf(out, "%dx%d", pair[0], pair[1]);
        break;
    case WELD_FIELD_INT64:
        fprintf(out, "%lld", (long long)*(const int64_t *)at);
        break;
    case WELD_FIELD_DOUBLE:
        weld_snprintf(text, sizeof text, "%g", *(const double *)at);
        fputs(text, out);
        break;
    case WELD_FIELD_BOOL:
        fputs(*(const bool *)at ? "true" : "false", out);
        break;
    case WELD_FIELD_SHAPE:
        fputs(weld_shape_text(at, text, sizeof text), out);
        break;
    case WELD_FIELD_DTYPE:
        fputs(weld_dtype_name(*(const weld_dtype *)at), out);
        break;
    case WELD_FIELD_CODES:
        print_codes(at, out);
        break;
    }
}

static void print_attributes(const weld_node *node, FILE *out) {
    for (size_t i = 0; i < weld_attribute_field_count; i++) {
        const weld_attribute_field *field = &weld_attribute_fields[i];
        if (weld_node_has_field(node, field)) {
            print_field(field, (const char *)&node->attributes + field->offset, out);
        }
    }
}

static void print_value(const weld_value *v, FILE *out) {
    if (!v) {
        fputs("-", out);
    } else if (v->kind == WELD_VALUE_RESULT) {
        fprintf(out, "%%%d", v->id);
    } else {
        fputs(v->name, out);
    }
}

bool weld_graph_print(const weld_graph *g, FILE *out) {
    static const char *const kinds[] = {"input", "parameter", "buffer"};
    char text[128];
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind != WELD_VALUE_RESULT) {
            fprintf(out, "%s %s %s %s\n", kinds[v->kind], v->name, weld_dtype_name(v->dtype),
                    weld_shape_text(&v->shape, text, sizeof text));
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        for (int j = 0; j < node->output_count; j++) {
            fputs(j ? ", " : "", out);
            print_value(node->outputs[j], out);
        }
        fprintf(out, " = %s(", node->op->name);
        for (int j = 0; j < node->input_count; j++) {
            fputs(j ? ", " : "", out);
            print_value(node->inputs[j], out);
        }
        fputs(")", out);
        print_attributes(node, out);
        fprintf(out, " : %s\n", weld_shape_text(&node->outputs[0]->shape, text, sizeof text));
    }
    for (size_t i = 0; i < g->output_count; i++) {
        fprintf(out, "output %s = ", g->outputs[i].name);
        print_value(g->outputs[i].value, out);
        fputs("\n", out);
    }
    return !ferror(out);
}

static void print_dot_id(const weld_value *v, FILE *out) {
    if (v->kind == WELD_VALUE_RESULT) {
        fprintf(out, "n%d", v->producer->id);
    } else {
        fprintf(out, "v%d", v->id);
    }
}

static void print_dot_name(const char *name, FILE *out) {
    for (; *name; name++) {
        if (*name == '"' || *name == '\\') {
            fputc('\\', out);
        }
        fputc(*name, out);
    }
}

bool weld_graph_print_dot(const weld_graph *g, FILE *out) {
    char text[128];
    fputs("digraph weld {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans\"];\n", out);
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (v->kind == WELD_VALUE_INPUT) {
            fprintf(out, "  v%d [shape=ellipse, label=\"", v->id);
            print_dot_name(v->name, out);
            fprintf(out, "\\n%s\"];\n", weld_shape_text(&v->shape, text, sizeof text));
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const weld_node *node = g->nodes[i];
        fprintf(out, "  n%d [label=\"%s", node->id, node->op->name);
        print_attributes(node, out);
        for (int j = 0; j < node->input_count; j++) {
            if (node->inputs[j] && node->inputs[j]->kind == WELD_VALUE_PARAMETER) {
                fputs("\\n", out);
                print_dot_name(node->inputs[j]->name, out);
            }
        }
        fprintf(out, "\\n%s\"];\n", weld_shape_text(&node->outputs[0]->shape, text, sizeof text));
        for (int j = 0; j < node->input_count; j++) {
            const weld_value *in = node->inputs[j];
            if (in && (in->kind == WELD_VALUE_RESULT || in->kind == WELD_VALUE_INPUT)) {
                fputs("  ", out);
                print_dot_id(in, out);
                fprintf(out, " -> n%d;\n", node->id);
            }
        }
    }
    for (size_t i = 0; i < g->output_count; i++) {
        fprintf(out, "  o%zu [shape=ellipse, label=\"", i);
        print_dot_name(g->outputs[i].name, out);
        fputs("\"];\n  ", out);
        print_dot_id(g->outputs[i].value, out);
        fprintf(out, " -> o%zu;\n", i);
    }
    fputs("}\n", out);
    return !ferror(out);
}
