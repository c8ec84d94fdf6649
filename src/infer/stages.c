/* The maps that stages end with; see stages.h. */
#include "infer/stages.h"

#include "base/error.h"

weld_status weld_stage_maps_exist(const weld_model_config *config, weld_error *err) {
    return weld_model_stage_count(config)
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NOT_FOUND,
                           "%s: where its stages end is not known: only its %s can be had",
                           config->name, weld_model_outputs(config)->name);
}

weld_status weld_stage_maps_find(const weld_graph *g, const weld_model_config *config,
                                 weld_stage_map maps[WELD_MAX_STAGES], size_t *count,
                                 weld_error *err) {
    *count = 0;
    for (int i = 0; i < weld_model_stage_count(config); i++) {
        weld_stage_map map = {.stage = i + 1};
        map.value = weld_model_stage_end(g, config, i, &map.stride);
        if (!map.value) {
            return weld_fail(err, WELD_ERROR_NOT_FOUND,
                             "the end of stage %d is not to be found in the network's graph: only "
                             "its %s can be had",
                             i + 1, weld_model_outputs(config)->name);
        }
        *count -= *count && maps[*count - 1].stride == map.stride;
        maps[(*count)++] = map;
    }
    return WELD_OK;
}
