/* YOLO11's neck and head on another family's network; see yolo11_backbone.h. The neck takes the
 * maps of stride 8, 16 and 32 as they are. */
#include "models/yolo11_backbone.h"

#include "models/backbone.h"

const char *const weld_yolo11_normalizations[] = {"none", "usual", NULL};

void weld_yolo11_begin_build(const weld_layers *net, const weld_yolo11_begin *b,
                             const weld_yolo11_scale *s, int normalize, weld_value *images) {
    static const int strides[] = {8, 16, 32};
    weld_yolo11_maps maps;
    if (!weld_yolo11_check_images(net, images)) {
        return;
    }
    if (normalize == WELD_NORMALIZE_USUAL) {
        const weld_preprocessing p = b->family->usual(&b->config, b->family->namings);
        images = weld_layer_normalize(net, images, p.mean, p.std);
    }
    weld_layer_backbone(net, b->family, &b->config, images, strides, WELD_YOLO11_LEVELS, maps.map);
    for (int i = 0; i < WELD_YOLO11_LEVELS; i++) {
        if (!maps.map[i]) {
            return; /* an error that the graph keeps */
        }
        maps.channels[i] = (int)maps.map[i]->shape.dim[3];
    }
    weld_yolo11_detect(net, s, &maps);
}

/* What comes after the backbone is in the place of its head. */
weld_model_place weld_yolo11_begin_place(const weld_yolo11_begin *b, const char *name) {
    weld_model_place at = {.part = 0};
    if (weld_yolo11_module(name) >= 0) {
        const int stages = b->family->stage_count(&b->config);
        const int layers = (int)b->family->block_count(&b->config) + stages; /* at most */
        return weld_yolo11_head_place(name, stages + 1, layers);
    }
    weld_backbone_place(b->family, &b->config, name, &at);
    return at;
}

int64_t weld_yolo11_begin_blocks(const weld_yolo11_begin *b) {
    return b->family->block_count(&b->config) + WELD_YOLO11_DETECT - WELD_YOLO11_SPPF;
}
