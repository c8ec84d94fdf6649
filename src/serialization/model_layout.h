/* What reading and writing model files share: names of groups, and the table of trainer fields. */
#ifndef WELD_SERIALIZATION_MODEL_LAYOUT_H
#define WELD_SERIALIZATION_MODEL_LAYOUT_H

#include "serialization/model_file.h"
#include "formats/store.h"

/* By weld_model_file_kind: the kinds of stores; and that of deploy files of integers. */
extern const char *const weld_model_file_kinds[2];
extern const char weld_model_int8_kind[];

typedef struct weld_trainer_field {
    const char *path;
    size_t offset; /* in weld_trainer_state: eight bytes */
    weld_store_type type;
    int64_t min; /* of an integer */
    bool later;  /* files of earlier versions do not have it: 0 */
    bool codes;  /* it says of what the codes are: of deploy files that have some too */
} weld_trainer_field;
extern const weld_trainer_field weld_trainer_fields[];
extern const size_t weld_trainer_field_count;

/* Groups of tensors, one for each that a leaf of the network may be found in. */
#define WELD_GROUP_PARAMETERS "parameters"
#define WELD_GROUP_BUFFERS "buffers"
#define WELD_GROUP_MOMENT1 "optimizer/m"
#define WELD_GROUP_MOMENT2 "optimizer/v"
#define WELD_GROUP_EMA "ema/" /* before "parameters" and "buffers" */

#define WELD_CODES_PATH "quantize/codes"
#define WELD_STEPS_PATH "quantize/steps"

/* "group/name" into `path`; a name of integers (passes/quantized_names.h) is its own path. */
#define WELD_MODEL_PATH_SIZE 512
weld_status weld_model_path(char path[WELD_MODEL_PATH_SIZE], const char *group, const char *name,
                            weld_error *err);

/* Does the file carry the graph? Else the configuration says what it is. */
bool weld_model_has_graph(const weld_model_file *mf);
/* mf->graph from its text, checked: it is for evaluation and makes of images what mf->config and
 * mf->preprocessing say. `where` stands in front of messages. What there is of it is mf's on errors
 * too. */
weld_status weld_model_take_graph(const char *text, const char *where, weld_model_file *mf,
                                  weld_error *err);

/* The graph whose parameters and buffers a file's tensors are: the file's own, or the training
 * graph of a configuration or that of the integers, which is then *owned by the caller (else
 * NULL). */
weld_status weld_model_network(const weld_model_file *mf, const weld_graph **out,
                               weld_graph **owned, weld_error *err);

/* Read a store that is a model file. */
weld_status weld_model_store_read(const char *path, weld_model_file *out, weld_error *err);

#endif
