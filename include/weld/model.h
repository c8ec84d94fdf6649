/* Networks by name, and model files.
 *
 * A weld_model_config says which network; weld_model_build makes its graph. A weld_model is a model
 * file in memory: a training checkpoint or a merged ("deploy") network with its class names and its
 * preprocessing. A weld_classifier runs one on images.
 *
 * Structs that callers fill have reserved room, which stays NULL, so that later versions can add
 * members.
 */
#ifndef WELD_MODEL_H
#define WELD_MODEL_H

#include "weld/graph.h"
#include "weld/image.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WELD_MODEL_NAME_SIZE 64
#define WELD_MODEL_VALUES_SIZE 1024
/* Stages that a network has at most, and classes. */
#define WELD_MAX_STAGES 8
#define WELD_MAX_CLASSES (1 << 20)

/* What a network is: its name, and beside it values by key. Which keys there are is the family's
 * (recipes/README.md lists them under `model.`): of RepViT "channels", "depths", "stem_stride",
 * "legacy" and "distillation_head". A config may be copied, and compared by memcmp. */
typedef struct weld_model_config {
    char name[WELD_MODEL_NAME_SIZE]; /* a variant ("repvit_m0_9") or the family ("repvit") */
    int num_classes;
    unsigned char values[WELD_MODEL_VALUES_SIZE]; /* the family's: use the functions below */
} weld_model_config;

/* The configuration of a variant, with 1000 classes (of a detector with 80); for the family name,
 * no sizes yet. An unknown name is an error that lists the known ones. */
WELD_API weld_status weld_model_config_named(const char *name, weld_model_config *out,
                                             weld_error *err);
/* Set a value from its text, as a recipe has it: "3", "true", "0.5", the elements of a list with
 * commas between them. WELD_ERROR_NOT_FOUND: no such key, with those there are; and
 * WELD_ERROR_ARGUMENT: a value out of its range. */
WELD_API weld_status weld_model_config_set(weld_model_config *config, const char *key,
                                           const char *text, weld_error *err);
/* A value as text that sets the same; NULL where there is no such key. */
WELD_API const char *weld_model_config_text(const weld_model_config *config, const char *key,
                                            char *text, size_t size);
/* A value as numbers: up to `room` elements into `numbers` (true is 1, a choice its place in the
 * list of choices). Returns how many there are; -1 where there is no such key. */
WELD_API int weld_model_config_numbers(const weld_model_config *config, const char *key,
                                       double *numbers, int room);
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
 * convolutions; tensors in the state dict; multiply-adds of attention's two products (scores, and
 * their sums of values), which come on top; batch norms. */
typedef struct weld_model_counts {
    int64_t parameters, macs, convolutions, tensors, attention_macs, batch_norms;
} weld_model_counts;
WELD_API weld_model_counts weld_graph_counts(const weld_graph *g);

/* --- Model files ------------------------------------------------------------------------------
 * A model does not change once it is open, but for its precision and its preprocessing: any number
 * of threads may use it at the same time. */
typedef struct weld_model weld_model;

/* Open a model file of any kind, told by content: a training checkpoint or a deploy file, or the
 * weights of a RepViT as PyTorch (.pth) or safetensors files hold them, in its training or merged
 * form (weld_model_import with no options). Errors name the file. */
WELD_API weld_status weld_model_open(const char *path, weld_model **out, weld_error *err);

/* How the classes of a network that has no names for them are numbered: by the names that a data
 * set has for its classes, in this order. */
typedef enum weld_class_order {
    WELD_CLASS_ORDER_ANY,    /* not known: both must come to the same, or it is an error */
    WELD_CLASS_ORDER_BYTES,  /* bytewise, as torchvision's ImageFolder sorts, and weld */
    WELD_CLASS_ORDER_NATURAL /* numbers in names by value, letters in any case, as timm sorts */
} weld_class_order;

/* What is known of a file of weights beside its tensors. All zero: what the file says, and else the
 * usual. A file that states one of these itself, as those that weld wrote do, must state the same.
 */
typedef struct weld_import_options {
    const char *model;    /* a variant, or the family, that the tensors must be of; NULL: any */
    const char *key;      /* which state dict of a .pth; NULL: the first there is of model,
                           * state_dict, model_ema and state_dict_ema, or else the top level. Of a
                           * checkpoint with a moving average of its weights: "ema" */
    int num_classes;      /* that it must have; 0: as many as it has */
    int height, width;    /* 0: the usual ones */
    double crop_fraction; /* 0: likewise */
    const weld_interpolation *interpolation; /* NULL: likewise */
    const weld_fit *resize;                  /* NULL: likewise */
    const float *mean, *std;                 /* [3], R G B; NULL: likewise */
    const char *const *class_names;          /* num_classes of them; NULL: unknown */
    const char *const *set; /* "key=value" of what tensors do not tell: "stem_stride=2" (4) */
    size_t set_count;
    weld_class_order class_order; /* where names stay unknown; it is not written to files */
    int scale16;                  /* weld/image.h; 0: 255 */
    void *reserved[4];            /* NULL */
} weld_import_options;

/* Open a model file of any kind. The network is told from the names and shapes of the tensors:
 * its channels and depths, classes, layout, heads, whether it is merged, and whether the names are
 * the authors' or timm's. Every tensor of it must be there and no other, or the error lists those
 * that are missing, unexpected or of another shape; batch norms' num_batches_tracked may be missing
 * and is 0 then, as PyTorch has it. Elements are converted to float32. Where the file does not say
 * how images are prepared it is as the authors evaluate (shorter side to 256, crop of 224, bicubic,
 * ImageNet's mean and standard deviation), or, where names are timm's, as timm does (235). Beside
 * a state dict config.json is read, where it is of the kind that timm writes for hubs: its
 * "pretrained_cfg" says how images are prepared, and "label_names" what classes are called. */
WELD_API weld_status weld_model_import(const char *path, const weld_import_options *options,
                                       weld_model **out, weld_error *err);

/* What there is to say of a network beside its graph and its weights. All zero: nothing. */
typedef struct weld_model_options {
    const char *name; /* of letters, digits, '_', '-' and '.', fewer than 60; NULL: none. Files and
                       * messages call the network own:NAME */
    weld_preprocessing preprocessing; /* height 0: the usual one of the graph's size */
    const char *const *class_names;   /* class_count of them, by index; NULL: unknown */
    int class_count;
    void *reserved[6]; /* NULL */
} weld_model_options;
/* A model of a graph that a program built: all that can be done with a model can be done with it,
 * but that `weld train` cannot train it further (weld/step.h can). The graph is one for evaluation,
 * of WELD_F32: one input, "images" [batch, height, width, 3], and the output "logits" [batch,
 * classes]; further outputs are left out. Of w it takes its parameters and buffers. Graph and
 * weights are copied.
 *
 * WELD_ERROR_ARGUMENT: a graph of another kind, with operators for training (dropout, batch norm
 * that uses the batch's statistics), or other than class_count classes; WELD_ERROR_SHAPE: a tensor
 * that w has not, or of another shape; WELD_ERROR_NUMERIC: one that is not finite. */
WELD_API weld_status weld_model_create(const weld_graph *graph, const weld_weights *w,
                                       const weld_model_options *options, weld_model **out,
                                       weld_error *err);

/* Write a model as weld's own file, a checkpoint or a deploy file, atomically. */
WELD_API weld_status weld_model_save(const weld_model *m, const char *path, weld_error *err);
WELD_API void weld_model_free(weld_model *m);
/* What the network is; for a merged one, what it was merged from. */
WELD_API const weld_model_config *weld_model_get_config(const weld_model *m);
WELD_API const weld_preprocessing *weld_model_get_preprocessing(const weld_model *m);
WELD_API bool weld_model_is_merged(const weld_model *m);
/* A merged network whose activations and weights are integers of 8 bits (weld quantize). Runners,
 * classifiers and sessions take it as any other; it can neither be merged, trained nor exported as
 * safetensors. */
WELD_API bool weld_model_is_int8(const weld_model *m);
/* Name of class i, or NULL where the names are unknown or i is out of range. */
WELD_API const char *weld_model_class_name(const weld_model *m, int i);
/* The evaluation graph (input "images", output "logits") and its weights, for sessions of one's own
 * (which do not write to the weights). They live as long as the model. */
WELD_API const weld_graph *weld_model_graph(const weld_model *m);
WELD_API weld_weights *weld_model_weights(const weld_model *m);

/* How runners, classifiers and weld_model_run that are made from now on compute; fp32 at first.
 * With bf16, activations are kept in that format and products made of it, with sums in fp32:
 * several times as fast where the cpu has instructions for it, and as true as 8 bits of mantissa
 * allow. Files, weights and outputs stay as they are, and so do merging and exporting. A network of
 * integers (weld_model_is_int8) is run in these unless it is told otherwise: with fp32 it becomes
 * one of floats, whose weights are what its integers stand for; bf16 it cannot be run in
 * (WELD_ERROR_ARGUMENT). Not while others use m. */
WELD_API weld_status weld_model_set_precision(weld_model *m, weld_precision precision,
                                              weld_error *err);

/* Prepare images otherwise, as for an evaluation at another resolution: networks often do better at
 * one a little above that of their training (Touvron et al., "Fixing the train-test resolution
 * discrepancy", 2019). Where height or width is another one the graph is built anew for it, and
 * what weld_model_graph returned is gone. Tables of positions (CMT's) are then resized, bicubic,
 * from those of the file, what weld_model_weights returned is gone too, and a checkpoint's moving
 * average and moments are dropped. WELD_ERROR_ARGUMENT: a value out of range; WELD_ERROR_SHAPE:
 * the network does not take images of that size. The model is then unchanged. Not while others use
 * m. */
WELD_API weld_status weld_model_set_preprocessing(weld_model *m,
                                                  const weld_preprocessing *preprocessing,
                                                  weld_error *err);

/* --- Running on arrays --------------------------------------------------------------------------
 * A runner is a model made ready for images of one size, which need not be square nor that of its
 * preprocessing, before and after merging. Sizes are halved as in PyTorch: a convolution of stride
 * 2 makes ceil(n / 2) rows of n. Several runners may share one model, which must outlive them; a
 * runner is used by one thread at a time. */
typedef struct weld_runner weld_runner;

/* For what the network gives: "logits", or of a detector "boxes" and "scores". threads 0: all that
 * the process may use. WELD_ERROR_SHAPE where the network does not take images of that size. */
WELD_API weld_status weld_runner_create(const weld_model *m, int64_t height, int64_t width,
                                        int threads, weld_runner **out, weld_error *err);
/* For the maps that detectors and segmenters build on: one output for each stride, from the first,
 * which is what the last block of the last stage with that stride gives (timm's features_only; the
 * backbone of the reference's detectors). Four at strides 4, 8, 16 and 32 for RepViT's variants;
 * MobileNetV3-L and MobileViT have one at 2 too. The head is not computed. */
WELD_API weld_status weld_runner_create_features(const weld_model *m, int64_t height, int64_t width,
                                                 int threads, weld_runner **out, weld_error *err);
WELD_API void weld_runner_free(weld_runner *r);
WELD_API size_t weld_runner_output_count(const weld_runner *r);
/* Of output i for one image: [num_classes], [anchors, 4], or [channels, height, width]. */
WELD_API weld_shape weld_runner_output_shape(const weld_runner *r, size_t i);
/* "logits", "boxes"; of a map for people. */
WELD_API const char *weld_runner_output_name(const weld_runner *r, size_t i);
/* Pixels, in each direction, that a position of map i stands for; 0 for logits. */
WELD_API int weld_runner_output_stride(const weld_runner *r, size_t i);
/* Run on images [count, 3, height, width] (channels first, normalised): outputs[i], which are the
 * caller's, get [count, ...] of the shape of output i. Any count: the work is done in slices. The
 * first run, and one of another count, makes room for a slice. Outputs that are not finite are
 * WELD_ERROR_NUMERIC, naming the image. */
WELD_API weld_status weld_runner_run(weld_runner *r, const float *images, int64_t count,
                                     float *const *outputs, weld_error *err);

/* The same for logits [count, num_classes], once. */
WELD_API weld_status weld_model_run(const weld_model *m, const float *images, int64_t count,
                                    int64_t height, int64_t width, int threads, float *logits,
                                    weld_error *err);

/* A number that says how well a network does, as its task names it: for classification "top1", for
 * people "top-1", in " %", to 2 decimals. NAN: not known. */
typedef struct weld_score {
    const char *key, *label, *unit;
    int decimals;
    double value;
} weld_score;

/* How well a model does on the images of a data set. */
#define WELD_MODEL_SCORES_MAX 16
typedef struct weld_model_evaluation {
    int64_t images, skipped; /* counted, and left out because they are bad... */
    int64_t left_out;        /* ...or of classes that the model does not know */
    double loss;             /* mean; NAN: the task has none but in training */
    weld_score scores[WELD_MODEL_SCORES_MAX];
    int score_count; /* the first decides which network is better */
} weld_model_evaluation;

/* Run m, in the precision and with the preprocessing that it has now, on every image of `data`, a
 * data set as the program takes them: a folder of class folders, a .tar file of one, a packed
 * file, or a .csv of paths and classes; of detectors COCO's, YOLO's or VOC's annotations. Its
 * classes are found by name among the model's (or taken in their order, where the model has no
 * names): what a recipe's data.single_class made one has to be one class in `data` as well, which
 * the program alone sees to. threads 0: all. */
WELD_API weld_status weld_model_evaluate(const weld_model *m, const char *data, int threads,
                                         weld_model_evaluation *out, weld_error *err);

/* What two networks that should be equal say about the same images. */
typedef struct weld_comparison {
    int64_t images;
    double largest_output;     /* magnitude, of the first network; for classification of a logit */
    double largest_difference; /* of any output */
    int64_t skipped;           /* images that could not be read */
    int64_t left_out;          /* images of classes that the network does not know */
    int64_t same_answer;       /* images for which they come to the same: the same class */
    bool labelled;             /* images came from a data set with labels: the scores hold */
    weld_score before, after;  /* the score that decides: top-1 */
    const char *output_word,
        *answer_word; /* for people, as the task calls them: "logit", "class"; NULL: no answers */
} weld_comparison;

/* What merging did: measured on the same images before and after. */
typedef struct weld_merge_report {
    weld_model_counts before, after;
    weld_comparison comparison;
    double milliseconds_before, milliseconds_after; /* median of batch 1 */
} weld_merge_report;

/* Merge the branches of m and write a deploy file. The merged network is compared with m on the
 * images of the data set `verify` (a folder or packed file; its first 1024), or, where that is
 * NULL, on 32 images of normal noise. A difference above 1e-4 of the largest output is an error and
 * nothing is written. threads 0: all. */
WELD_API weld_status weld_model_merge(const weld_model *m, const char *verify, int threads,
                                      const char *path, weld_merge_report *report, weld_error *err);

/* --- Files for other programs ----------------------------------------------------------------- */

/* Merged: every parallel branch and batch norm has become part of one convolution or linear layer.
 * Training: as the authors' and timm's code trains and publishes networks, to be trained further
 * there. */
typedef enum weld_export_form { WELD_EXPORT_MERGED, WELD_EXPORT_TRAINING } weld_export_form;

/* All zero: the usual. */
typedef struct weld_export_options {
    weld_export_form form; /* ONNX files are always merged */
    const char *names;     /* of tensors in safetensors files: "official", "timm" or what else the
                            * family knows; NULL, as in ONNX files: its own, "official" */
    int64_t batch;         /* of ONNX files: this alone; 0: any */
    const char *verify;    /* a data set to compare on (folder or packed file); NULL: noise */
    int threads;           /* 0: all */
    int opset;             /* of ONNX files: the operator set; 0: the lowest that suffices */
    bool any_size;         /* of ONNX files: height and width are left open */
    bool features;         /* of ONNX files: the stages' maps, as of weld_runner_create_features */
    int stride_count;      /* of features: those of these strides alone; 0: all */
    const int *strides;
    const char *outputs; /* of ONNX files, by what the network is for: of detectors "nms" or "raw";
                          * NULL: the usual */
    int setting_count;   /* of "nms", as `weld predict` has them: "conf=0.25", "iou=0.7",
                          * "max_det=300", "agnostic=true"; 0: the usual */
    const char *const *settings;
    bool tensorrt; /* of ONNX files of int8 networks: in the form that TensorRT takes: codes around
                    * 0, refitted to the ranges that there are, biases of floats */
    void *reserved[1]; /* NULL */
} weld_export_options;

typedef struct weld_export_report {
    weld_model_counts counts;   /* of what was written */
    int64_t bytes;              /* of the file */
    weld_comparison comparison; /* of no images where there was nothing to compare */
    int opset, ir_version;      /* of an ONNX file, and the names of its outputs: "logits" or */
    char outputs[128];          /* "stride4, stride8"; and with their shapes: */
    char output_shapes[320];    /* "stride4 [batch, 48, 56, 56], stride8 [batch, ...]" */
    /* For TensorRT, simulated, on noise: how many dB what rounding activations does lies
     * below the outputs, and what it does in the network as it is. 0: not measured. */
    double noise, noise_before;
} weld_export_report;

/* Write m for other programs, atomically; the ending of `path` tells the format.
 *
 * .safetensors: the tensors of the state dict, f32 (and i64 counters), called as `names` says: in
 * the training form as the reference implementation's or timm's state_dict() calls them, in the
 * merged form as after their replace_batchnorm() or fuse(). A distillation head is merged into the
 * other: their mean is what is evaluated.
 * .onnx: the merged network from normalised images "input" [batch, 3, height, width] to "logits"
 * [batch, num_classes], or to maps "stride4" [batch, channels, height / 4, width / 4] and so on,
 * for which the model need have no head. Of a detector it has what runtimes of YOLO read: from
 * "images" [batch, 3, height, width], red, green and blue in 0 to 1, to "output0" [batch, 4 +
 * num_classes, anchors], rows of the centre's x and y, width and height in pixels of the input, and
 * scores, beside texts under the names that they look for ("names", "task" and others). With "nms"
 * output0 is [batch, max_det, 6]: x1, y1, x2, y2, score and class of what is told, best first, then
 * zeros. With "raw" the maps of the head are "stride8" [batch, 64 + num_classes, height / 8, width
 * / 8], "stride16" and "stride32": logits, those of the four sides first. All carry configuration,
 * preprocessing, class names and form as texts under the keys "weld....", and a safetensors file is
 * a model to weld_model_open.
 *
 * Before it takes its place, a safetensors file is read again, its network built and compared with
 * m on the first 1024 images of `verify` or on 32 images of normal noise. An ONNX file is not read
 * again: what is compared is the merged network that goes into it. A difference above 1e-4 of the
 * largest output is WELD_ERROR_NUMERIC. After any error what was at `path` is unchanged.
 *
 * WELD_ERROR_ARGUMENT: another ending; the training form of a merged model or in an ONNX file;
 * timm's names in an ONNX file, a batch in a safetensors file; an opset that is not known or does
 * not have what the network needs (the message says which does). WELD_ERROR_SHAPE: any_size of a
 * network whose graph goes by the size. report may be NULL. */
WELD_API weld_status weld_model_export(const weld_model *m, const char *path,
                                       const weld_export_options *options,
                                       weld_export_report *report, weld_error *err);

/* --- Classifying images -------------------------------------------------------------------------
 * Several classifiers may share one model and run in different threads at once. */
typedef struct weld_classifier weld_classifier;

/* threads 0: all that the process may use. The model must outlive the classifier. */
WELD_API weld_status weld_classifier_create(const weld_model *m, int threads, weld_classifier **out,
                                            weld_error *err);
WELD_API void weld_classifier_free(weld_classifier *c);
/* Decode (JPEG, PNG, WebP), preprocess, run: probabilities[num_classes], which sum to one. */
WELD_API weld_status weld_classifier_run_file(weld_classifier *c, const char *path,
                                              float *probabilities, weld_error *err);
WELD_API weld_status weld_classifier_run_bytes(weld_classifier *c, const void *bytes, size_t size,
                                               float *probabilities, weld_error *err);
/* Pixels [height, width, 3], red, green, blue. */
WELD_API weld_status weld_classifier_run_rgb(weld_classifier *c, const unsigned char *pixels,
                                             int width, int height, float *probabilities,
                                             weld_error *err);

#ifdef __cplusplus
}
#endif
#endif
