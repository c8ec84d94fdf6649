/* What a network needs besides its tensors, as texts by key, for files of other programs' formats:
 * safetensors' __metadata__ and ONNX's metadata_props.
 *
 *   weld.version        version of the program that wrote the file
 *   weld.form           "training" or "merged": which form the tensors have
 *   weld.config         JSON: the weld_model_config (of a merged network: what it was merged from)
 *   weld.preprocessing  JSON: the weld_preprocessing
 *   weld.class_names    JSON: list of names; absent: unknown
 *   weld.summary        JSON: of the training; absent: unknown
 *   weld.temperature    a number, by which logits are divided for probabilities; absent: 1
 *   weld.quantization   JSON (quantization_text.h): of an ONNX file of a network of integers
 *   weld.graph          JSON (graph_text.h): of a network that a program built itself, beside
 *                       tensors that are all there is else
 *
 * The JSON texts are those of model_text.h, which also reads them back.
 */
#ifndef WELD_SERIALIZATION_MODEL_METADATA_H
#define WELD_SERIALIZATION_MODEL_METADATA_H

#include "formats/metadata.h"
#include "serialization/model_file.h"

#define WELD_METADATA_VERSION "weld.version"
#define WELD_METADATA_FORM "weld.form"
#define WELD_METADATA_CONFIG "weld.config"
#define WELD_METADATA_PREPROCESSING "weld.preprocessing"
#define WELD_METADATA_CLASS_NAMES "weld.class_names"
#define WELD_METADATA_SUMMARY "weld.summary"
#define WELD_METADATA_TEMPERATURE "weld.temperature"
#define WELD_METADATA_QUANTIZATION "weld.quantization"
#define WELD_METADATA_GRAPH "weld.graph"

#define WELD_FORM_TRAINING "training"
#define WELD_FORM_MERGED "merged"

/* Of a model file; WELD_MODEL_DEPLOY has the merged form. */
weld_status weld_metadata_create(const weld_model_file *mf, weld_metadata *out, weld_error *err);
/* One more text, which it takes and frees in the end, also on an error; NULL: memory is short. */
weld_status weld_metadata_add(weld_metadata *m, const char *key, char *text, weld_error *err);
/* The graph too, where the configuration does not say what it is. */
weld_status weld_metadata_add_graph(weld_metadata *m, const weld_model_file *mf, weld_error *err);

#endif
