/* The maps that the stages of a network end with, as detectors and segmenters build on them. */
#ifndef WELD_INFER_STAGES_H
#define WELD_INFER_STAGES_H

#include "graph/graph.h"
#include "models/models.h"

typedef struct weld_stage_map {
    int stage, stride; /* stages are counted from 1 */
    weld_value *value;
} weld_stage_map;

/* WELD_ERROR_NOT_FOUND where the network has no stages that are known. */
weld_status weld_stage_maps_exist(const weld_model_config *config, weld_error *err);
/* Those in an evaluation graph of the network, merged or not: one for each stride, of stages with
 * one stride, as MobileNetV3 has them, the last. */
weld_status weld_stage_maps_find(const weld_graph *g, const weld_model_config *config,
                                 weld_stage_map maps[WELD_MAX_STAGES], size_t *count,
                                 weld_error *err);

#endif
