/* Families of networks, from inside. A family is one file that builds graphs from a config, one
 * that knows what its tensors are called elsewhere, and one line in families.c.
 */
#ifndef WELD_MODELS_MODELS_H
#define WELD_MODELS_MODELS_H

#include "base/keys.h"
#include "models/names.h"
#include "models/position_tables.h"
#include "weld/layers.h"

/* Parts of a network (weld_build_mode.frozen) are numbered from the input on: 0 the stem, 1 to the
 * number of stages the stages (each with what leads into it from the stage before), then the head.
 */

/* Where a parameter or buffer stands. */
typedef struct weld_model_place {
    int part;
    int layer;      /* depth in blocks: 0 the stem, the last one the head */
    bool per_class; /* it has a row for each class */
} weld_model_place;

/* An output of an evaluation graph. */
typedef struct weld_output_form {
    const char *name;
    /* Is this its shape for `batch` images of height x width? */
    bool (*fits)(const weld_model_config *config, int64_t batch, int64_t height, int64_t width,
                 const weld_shape *shape);
} weld_output_form;

/* A tensor that files have and graphs have not, since nothing changes it. */
typedef struct weld_constant_tensor {
    const char *name; /* in files, in any naming */
    weld_shape shape;
    double (*element)(int64_t i);
} weld_constant_tensor;

/* A name for values of a family's keys. */
typedef struct weld_model_variant {
    const char *name;
    const void *values; /* the family's struct */
} weld_model_variant;

typedef struct weld_model_family {
    const char *name;
    const char *task;    /* what its networks are for: the name of a task (tasks/) */
    bool in_files_alone; /* no recipe can name its networks, nor tensors tell them: they are where
                          * the graph is, in files, and called NAME or NAME:TITLE. There are then
                          * no keys, variants, build, stage_end and recognize, and check says so */
    int usual_classes;   /* where nobody says how many; 0: 1000 */
    const weld_output_form *outputs; /* ended by a name NULL; NULL: "logits" [batch, num_classes] */
    /* Its values: a struct that lies in weld_model_config.values, and a row for each of its keys.
     * Recipes and files have them in this order. */
    size_t values_size;
    const weld_key *keys;
    size_t key_count;
    const weld_model_variant *variants;
    size_t variant_count;
    /* The first is that of the graph's own leaves. */
    const weld_naming *namings;
    size_t naming_count;

    /* Can the family build the config, whose values are each in their range? If not, *key is the
     * one to blame, and the message the reason. NULL: it always can. */
    weld_status (*check)(const weld_model_config *config, const char **key, weld_error *err);
    /* Append the network to g, outputs included. Errors stay in the graph. */
    void (*build)(weld_graph *g, const weld_model_config *config, weld_build_mode mode,
                  weld_value *images);
    /* Add to a graph for evaluation, or to what was made of one with the same outputs, those that a
     * graph for training has for the loss. The function NULL: both have the same. */
    weld_status (*loss_outputs)(weld_graph *g, weld_error *err);
    int (*stage_count)(const weld_model_config *config);
    /* How much work it is to build: blocks, of some tensors each. */
    int64_t (*block_count)(const weld_model_config *config);
    /* Where the tensor of that name, or the module it belongs to, stands. */
    weld_model_place (*place)(const weld_model_config *config, const char *name);
    /* What the last block of stage `stage` gives, in a graph of the network whether merged or not;
     * *stride: the pixels, in each direction, that one of its positions stands for. NULL where the
     * graph, which may come from a file, has no such value. The function NULL: the last map that is
     * made of leaves whose `place` is in that stage or before. */
    weld_value *(*stage_end)(const weld_graph *g, const weld_model_config *config, int stage,
                             int *stride);
    /* The grids of the table of positions called so, for images of that size; false where the
     * tensor is none. The function NULL: no tensor's shape depends on the size of the images. */
    bool (*position_grids)(const weld_model_config *config, const char *name, int64_t height,
                           int64_t width, weld_position_grids *out);
    /* Set what follows from the number of classes, so that it stays when that becomes another.
     * NULL: nothing does, but for what has a row for each class. */
    void (*keep_classes)(weld_model_config *config);
    /* Height and width of images are multiples of it; 0: they may be any. */
    int size_step;
    /* The network of another family that it begins with: its leaves, but for the head's, are this
     * one's with WELD_BACKBONE_PREFIX in front of their names. The function NULL: there is none. */
    void (*backbone)(const weld_model_config *config, weld_model_config *out);
    /* Ended by a name NULL. NULL: none. */
    const weld_constant_tensor *constants;
    /* What modules are called in each naming, where that is all there is to tensors' names; and
     * else weld_family_tensor_name. */
    const weld_module_row *rows;
    bool (*tensor_name)(const weld_model_config *config, const weld_naming *naming,
                        const char *name, char out[WELD_TENSOR_NAME_SIZE]);
    /* Set the sizes that the tensors, which may be of any network, have, as far as they show. They
     * are tried where they are no variant's. NULL: only variants are told by their tensors. */
    void (*see_sizes)(const weld_shape_index *index, weld_model_config *config);
    /* weld_model_recognize, for an *out whose config is as nobody set it; WELD_ERROR_NOT_FOUND
     * where the tensors are of no network of this family. The config's checks and its name come
     * after it. The function NULL: weld_model_recognize_variant. */
    weld_status (*recognize)(const weld_shape_index *index, weld_recognized *out, weld_error *err);
    /* Lines for people, each ended, of what its values come to for images of that size. NULL:
     * nothing that the values do not say. */
    void (*describe)(const weld_model_config *config, int size, char *text, size_t room);
    /* How images are prepared for networks whose files, with these names, do not say. */
    weld_preprocessing (*usual)(const weld_model_config *config, const weld_naming *naming);
} weld_model_family;

#define WELD_BACKBONE_PREFIX "backbone."

/* families.c, and nothing else, has the list. */
extern const weld_model_family *const weld_families[];
extern const size_t weld_family_count;

/* The family that a name belongs to, or NULL with an error that lists the known names; *variant,
 * which may be NULL, is set to NULL where the name is the family's own. */
const weld_model_family *weld_family_find(const char *name, const weld_model_variant **variant,
                                          weld_error *err);
/* The family of a config that was made by weld_model_config_named; NULL of another's name. */
const weld_model_family *weld_family_of(const weld_model_config *config);

/* Has a file of such a network its graph, merged or not? */
bool weld_model_is_in_files_alone(const weld_model_config *config);

/* Is a known name that of a variant, and not of a family? */
bool weld_model_is_variant(const char *name);
/* The family's keys with one of `flags` (0: all) in order: that after `key` (NULL: the first), or
 * NULL. */
const weld_key *weld_family_next_key(const weld_model_family *family, const weld_key *key,
                                     unsigned flags);

/* --- Configs ---------------------------------------------------------------------------------- */

/* Are all values in their ranges, lists of sizes of one length, and can the family build it? Where
 * key is not NULL, *key is set to the one to blame (NULL: none of the family's), and the message is
 * the reason; else the message names it. */
weld_status weld_model_config_check(const weld_model_config *config, const weld_key **key,
                                    weld_error *err);
/* Keys with sizes are lists of one element a stage: are they of one length? */
bool weld_model_lists_agree(const weld_model_config *config);
/* "channels and depths", those keys; returns text. */
const char *weld_model_list_names(const weld_model_config *config, char *text, size_t size);
/* The first of the keys with one of `flags` that two configs of a family have other values for;
 * NULL: none. */
const weld_key *weld_model_difference(const weld_model_config *a, const weld_model_config *b,
                                      unsigned flags);

/* ", legacy token mixer": the labels of all that are true; returns text. */
const char *weld_model_label_text(const weld_model_config *config, char *text, size_t size);

/* May a network of this family have a second head (WELD_KEY_SECOND_HEAD), and has this one? */
const weld_key *weld_model_second_head_key(const weld_model_config *config);
bool weld_model_has_second_head(const weld_model_config *config);
/* Where the family has none this does nothing. */
void weld_model_set_second_head(weld_model_config *config, bool on);

/* --- Networks --------------------------------------------------------------------------------- */

/* As weld_model_build, which is this for {training} alone. */
weld_status weld_model_build_as(const weld_model_config *config, weld_build_mode mode,
                                int64_t batch, int64_t height, int64_t width, weld_dtype dtype,
                                weld_graph **out, weld_error *err);

/* Of a config that can be built. */
int weld_model_stage_count(const weld_model_config *config);
int64_t weld_model_block_count(const weld_model_config *config);
/* `name` is a parameter or buffer of its network; and is its place the head? */
weld_model_place weld_model_place_of(const weld_model_config *config, const char *name);
bool weld_model_is_head(const weld_model_config *config, const char *name);
weld_preprocessing weld_model_usual_preprocessing(const weld_model_config *config,
                                                  const weld_naming *naming);

/* stage_end of a family whose network g is, or what stands for it; `stage` from 0. */
weld_value *weld_family_stage_end(const weld_model_family *family, const weld_graph *g,
                                  const weld_model_config *config, int stage, int *stride);
/* The same of the family that the config is of; NULL where that cannot be built. */
weld_value *weld_model_stage_end(const weld_graph *g, const weld_model_config *config, int stage,
                                 int *stride);

/* Where each node of a graph with the leaves of a network of the family stands: at the last of the
 * places whose leaves went into it. places[0 .. g->node_count), by node id, per_class false. */
void weld_family_node_places(const weld_model_family *family, const weld_model_config *config,
                             const weld_graph *g, weld_model_place *places);

/* What a network may be cut into: layers (weld_model_place), parts, or nothing. */
typedef enum weld_segments {
    WELD_SEGMENTS_NONE,
    WELD_SEGMENTS_BLOCK,
    WELD_SEGMENTS_STAGE
} weld_segments;

/* The number of the segment that each node of a graph of the network, whatever passes made of it,
 * is in; segments[0 .. g->node_count), by node id. */
weld_status weld_model_segments(const weld_model_config *config, const weld_graph *g,
                                weld_segments by, int *segments, weld_error *err);

/* --- Outputs ---------------------------------------------------------------------------------- */

/* Of the family that the config is of. */
const weld_output_form *weld_model_outputs(const weld_model_config *config);

/* The first of them that g, which may come from a file, does not have in f32 and of its form; NULL:
 * it has all. */
const char *weld_model_output_misfit(const weld_model_config *config, const weld_graph *g,
                                     int64_t batch, int64_t height, int64_t width);

/* --- State dicts ------------------------------------------------------------------------------ */

/* The naming called so in the family that the config is of (NULL: the first), or NULL with an error
 * that lists them. */
const weld_naming *weld_model_find_naming(const weld_model_config *config, const char *name,
                                          weld_error *err);
/* "official or timm", of all families; returns text. Is `name` one of them? */
const char *weld_naming_list(char *text, size_t size);
bool weld_naming_is_known(const char *name);

/* The name that a file in `naming` has for the tensor that weld's graph of the network, or what
 * merging made of it, calls `name`; into `out`. The two may differ for the family's own naming too:
 * merging calls RepViT's head after the modules that went into it, the reference implementation
 * always "classifier". */
bool weld_family_tensor_name(const weld_model_family *family, const weld_model_config *config,
                             const weld_naming *naming, const char *name,
                             char out[WELD_TENSOR_NAME_SIZE]); /* false where there is no such */
weld_status weld_model_tensor_name(const weld_model_config *config, const weld_naming *naming,
                                   const char *name, char out[WELD_TENSOR_NAME_SIZE],
                                   weld_error *err);

/* As files, recipes and options have them: by weld_fit, by weld_interpolation. */
extern const char *const weld_fit_names[3], *const weld_interpolation_names[2];
/* WELD_ERROR_ARGUMENT where a value is out of its range (weld/image.h); the message names it. */
weld_status weld_preprocessing_check(const weld_preprocessing *p, weld_error *err);
/* A mean of pixels of 0 to 255, as other programs have them: nothing of an image would be left. */
bool weld_preprocessing_is_of_bytes(const weld_preprocessing *p);
/* For people: "224", "224 x 320", "224 x 320, letterbox on 124,116,104"; returns text. */
enum { WELD_INPUT_TEXT_SIZE = 80 };
const char *weld_input_text(const weld_preprocessing *p, char text[WELD_INPUT_TEXT_SIZE]);

/* Can the network be for images of this size? Where it has tables of positions they must be square,
 * since the shape of a table does not tell height from width; where it shrinks images to maps that
 * are enlarged again, multiples of the largest step. */
weld_status weld_model_check_input(const weld_model_config *config, int height, int width,
                                   weld_error *err);

/* The size of the square images that a table of positions of that name and shape is for; 0: it is
 * no table, or for none. */
int weld_position_image_size(const weld_model_family *family, const weld_model_config *config,
                             const char *name, const weld_shape *shape);
/* `to` gets the table `from` of another size, both for square images. */
weld_status weld_position_resize_for(const weld_model_family *family,
                                     const weld_model_config *config, const char *name,
                                     const weld_tensor *from, const weld_tensor *to,
                                     weld_error *err);

/* Is the leaf the weight of a convolution of the images, whose channels a file under a naming with
 * `bgr` has in the other order? And such a weight [out, channels, height, width] with its channels
 * turned, into an array of the same size. */
bool weld_model_reads_images(const weld_graph *g, const weld_value *leaf);
void weld_turn_channels(const weld_tensor *weight, void *to);

/* Which network are these tensors of? Goes by names and shapes alone and looks at no more of them
 * than it needs: that every tensor is there, and no other, is for the caller to check. `stated`:
 * which the file says it is, to be tried beside the variants; or NULL. config.name
 * is that of the variant with these sizes (of two, the one with this layout), or the family's. An
 * error says what was looked for, of each family. */
weld_status weld_model_recognize(const weld_shape_index *index, const weld_model_config *stated,
                                 weld_recognized *out, weld_error *err);

/* For families whose files are of their variants or state what they are, in the place of a
 * recognize of their own (which cannot call it: it uses the list of families). The network, of
 * `stated` and the variants, whose tensors are those in the index, in any naming, merged or not.
 * Where none fits wholly it is the one that most fit, if half do, so that whoever checks the
 * tensors says what is amiss. */
weld_status weld_model_recognize_variant(const weld_model_family *family,
                                         const weld_shape_index *index, weld_recognized *out,
                                         weld_error *err);

/* For see_sizes: the shape of the weight of the module that the family's graph calls so, in any
 * naming; NULL: there is none. Of a module that a batch norm is merged into, `inner` is the one
 * within it that has the weight before ("conv"), else it is "". And its outputs, or 0. */
const weld_shape *weld_model_shape_seen(const weld_model_config *config,
                                        const weld_shape_index *index, const char *inner,
                                        const char *module, ...)
    __attribute__((format(printf, 4, 5)));
int weld_model_outputs_seen(const weld_model_config *config, const weld_shape_index *index,
                            const char *inner, const char *module, ...)
    __attribute__((format(printf, 4, 5)));

/* Does a configuration have the sizes of the variant called `name`? Any has those of its family. An
 * unknown name is an error that lists the known ones. */
weld_status weld_model_check_variant(const weld_model_config *config, const char *name,
                                     weld_error *err);

#endif
