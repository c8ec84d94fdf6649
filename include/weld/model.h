/* Networks by name, and model files.
 *
 * A weld_model_config says which network; weld_model_build makes its graph. A weld_model is a model
 * file in memory: a training checkpoint or a merged ("deploy") network with its class names and its
 * preprocessing. A weld_classifier runs one on images.
 */
#ifndef WELD_MODEL_H
#define WELD_MODEL_H

#include "weld/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WELD_MAX_STAGES 8
#define WELD_MODEL_NAME_SIZE 64

typedef struct weld_model_config {
    char name[WELD_MODEL_NAME_SIZE]; /* a variant ("repvit_m0_9") or the family ("repvit") */
    int num_classes;
    int stage_count; /* 1..WELD_MAX_STAGES; the variants have 4 */
    int channels[WELD_MAX_STAGES], depths[WELD_MAX_STAGES];
    int stem_stride;        /* 4; 2 or 1 for small images */
    bool legacy;            /* token mixer of the first published version */
    bool distillation_head; /* a second head; evaluation averages both */
} weld_model_config;

/* The configuration of a variant, with 1000 classes; for the family name, no stages yet. An unknown
 * name is an error that lists the known ones. */
WELD_API weld_status weld_model_config_named(const char *name, weld_model_config *out,
                                             weld_error *err);
/* Names of the variants in order; NULL past the end. */
WELD_API const char *weld_model_name(size_t i);

/* The graph of a network on input "images" [batch, height, width, 3], normalised. Evaluation has
 * the output "logits" [batch, num_classes]; training has "logits" and, with a distillation head,
 * "logits_dist", and batch norms that use and update batch statistics. Names of parameters and
 * buffers are the official ones. */
WELD_API weld_status weld_model_build(const weld_model_config *config, bool training, int64_t batch,
                                      int64_t height, int64_t width, weld_dtype dtype,
                                      weld_graph **out, weld_error *err);

/* Scalars in parameters; multiply-adds of convolutions and linear layers for one image; number of
 * convolutions; tensors in the state dict. */
typedef struct weld_model_counts {
    int64_t parameters, macs, convolutions, tensors;
} weld_model_counts;
WELD_API weld_model_counts weld_graph_counts(const weld_graph *g);

typedef enum weld_interpolation { WELD_BICUBIC, WELD_BILINEAR } weld_interpolation;

/* How an image becomes a network's input: shorter side to floor(input_size / crop_fraction) with
 * the antialiased filter, central crop to input_size, (v / 255 - mean) / std per channel (R, G, B).
 */
typedef struct weld_preprocessing {
    int input_size;
    double crop_fraction;
    weld_interpolation interpolation;
    float mean[3], std[3];
} weld_preprocessing;

#ifdef __cplusplus
}
#endif
#endif
