/* Values of a graph in an ONNX file: what they are called in which layout, and the outputs; see
 * onnx_builder.h. */
#include <string.h>

#include "serialization/onnx_builder.h"

weld_onnx_layout weld_onnx_layout_of(const weld_onnx_builder *b, const weld_value *v) {
    bool first = b->values && b->values[v->id].names[WELD_ONNX_CHANNELS_FIRST];
    return first ? WELD_ONNX_CHANNELS_FIRST : WELD_ONNX_PLAIN;
}

char *weld_onnx_get(weld_onnx_builder *b, const weld_value *v, weld_onnx_layout layout) {
    if (b->status != WELD_OK) {
        return NULL;
    }
    char **names = b->values[v->id].names;
    if (!names[layout] && !names[!layout] &&
        (v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER)) {
        names[WELD_ONNX_PLAIN] = weld_onnx_leaf(b, v->name, WELD_F32, v->shape);
    }
    if (!names[layout] && names[!layout] && v->shape.rank == 4) {
        weld_onnx_attribute order[] = {layout == WELD_ONNX_PLAIN
                                           ? weld_onnx_integers("perm", 0, 2, 3, 1)
                                           : weld_onnx_integers("perm", 0, 3, 1, 2),
                                       {0}};
        names[layout] =
            weld_onnx_coded(b, v, weld_onnx_node(b, "Transpose-1", 1, &names[!layout], order));
    }
    if (!names[layout] && b->status == WELD_OK) {
        char text[160] = "a value";
        if (v->producer) {
            weld_node_text(v->producer, text, sizeof text);
        }
        weld_onnx_fail(b, WELD_ERROR_ARGUMENT,
                       "output %d of %s cannot be written as ONNX: export a graph that does not "
                       "use it",
                       v->output_index, text);
    }
    return names[layout];
}

/* The layout in which outputs of the file lie. */
static weld_onnx_layout outer_layout(const weld_value *v) {
    return v->shape.rank == 4 ? WELD_ONNX_CHANNELS_FIRST : WELD_ONNX_PLAIN;
}

void weld_onnx_set(weld_onnx_builder *b, const weld_value *v, weld_onnx_layout layout, char *name) {
    name = weld_onnx_coded(b, v, name);
    if (b->status != WELD_OK) {
        return;
    }
    WeldOnnx__NodeProto *last = weld_onnx_last_node(b);
    for (size_t i = 0; i < b->graph->output_count && layout == outer_layout(v); i++) {
        if (b->graph->outputs[i].value == v) {
            name = *last->output = (char *)b->graph->outputs[i].name;
            break;
        }
    }
    b->values[v->id].names[layout] = name;
    b->values[v->id].scope = b->scope;
}

void weld_onnx_add_outputs(weld_onnx_builder *b) {
    for (size_t i = 0; i < b->graph->output_count && b->status == WELD_OK; i++) {
        const weld_named_value *output = &b->graph->outputs[i];
        char *name = weld_onnx_get(b, output->value, outer_layout(output->value));
        if (!name || strcmp(name, output->name) == 0) {
            continue;
        }
        char *scope = b->values[output->value->id].scope;
        b->scope = scope ? scope : (char *)"";
        weld_onnx_node(b, "Identity-1", 1, &name, NULL);
        if (b->status == WELD_OK) {
            *weld_onnx_last_node(b)->output = (char *)output->name;
        }
    }
    if (b->ending && b->status == WELD_OK) {
        b->scope = (char *)"";
        b->ending->spell(b, b->ending->values);
        if (b->status == WELD_OK) {
            *weld_onnx_last_node(b)->output = (char *)b->ending->name;
        }
    }
}
