/* Making the GraphProto of an ONNX file: what the spellings of the operators (onnx_operators.c) and
 * the writer (onnx.c) share.
 *
 * A builder keeps the first error: after it all functions return NULL or do nothing, so that an
 * operator is spelled without checks and `status` asked at the end. All that it makes lives as long
 * as the builder; tensors' elements stay where the weights have them.
 */
#ifndef WELD_SERIALIZATION_ONNX_BUILDER_H
#define WELD_SERIALIZATION_ONNX_BUILDER_H

#include "base/array.h"
#include "serialization/onnx.h"
#include "serialization/weld_onnx.pb-c.h"
#include "graph/graph.h"

/* How a value lies in the file: as in the graph, or, for images, [n, h, w, c] as [n, c, h, w]. */
typedef enum weld_onnx_layout { WELD_ONNX_PLAIN, WELD_ONNX_CHANNELS_FIRST } weld_onnx_layout;

typedef struct weld_onnx_value {
    char *names[2]; /* by layout; NULL: the file has no such value (yet) */
    char *scope;    /* of the node that makes it */
} weld_onnx_value;

typedef struct weld_onnx_constant {
    char *text, *name; /* what was asked for; the initialiser */
} weld_onnx_constant;

typedef struct weld_onnx_builder {
    const weld_graph *graph;
    const weld_weights *weights;
    const char *input;              /* what images are called */
    const weld_onnx_ending *ending; /* or NULL */
    const weld_quantization *codes; /* NULL: all is float */
    bool signed_codes;
    const char *where;              /* in front of messages */
    int wanted;                     /* the operator set that was asked for; 0: the lowest */
    bool any_size;                  /* height and width are to be left open */
    int opset;                      /* the lowest that has all that was spelled... */
    const char *latest;             /* ...since it has this, of a later set than all others... */
    const weld_node *latest_node;   /* ...for this node; NULL while WELD_ONNX_OLDEST suffices */
    const weld_node *node;          /* being spelled */
    weld_array nodes, initializers; /* of pointers to the messages */
    weld_array constants;           /* weld_onnx_constant */
    weld_onnx_value *values;        /* by value id */
    char *scope;                    /* of the node being spelled */
    struct weld_onnx_block *blocks; /* memory */
    size_t block_left;              /* bytes of the first block */
    weld_status status;
    weld_error *err;
} weld_onnx_builder;

weld_status weld_onnx_builder_start(weld_onnx_builder *b, const weld_graph *g,
                                    const weld_weights *w, const weld_onnx_options *options,
                                    const char *where, weld_error *err);
void weld_onnx_builder_free(weld_onnx_builder *b);

void weld_onnx_fail(weld_onnx_builder *b, weld_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Zeroed; NULL after an error. */
void *weld_onnx_alloc(weld_onnx_builder *b, size_t count, size_t size);
char *weld_onnx_text(weld_onnx_builder *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));

/* --- Values: onnx_values.c ------------------------------------------------------------------- */

/* The layout in which there is v without moving it. */
weld_onnx_layout weld_onnx_layout_of(const weld_onnx_builder *b, const weld_value *v);
/* The name of v in this layout; a leaf becomes an initialiser, an image is transposed where it has
 * to be. */
char *weld_onnx_get(weld_onnx_builder *b, const weld_value *v, weld_onnx_layout layout);
/* Say that `name`, made by the last node, is v in this layout. An output of the graph is called
 * as that. */
void weld_onnx_set(weld_onnx_builder *b, const weld_value *v, weld_onnx_layout layout, char *name);
/* After all nodes: give the outputs that are no results of their own (an input, a leaf, a second
 * name of another output) their names, and append the ending that there is. */
void weld_onnx_add_outputs(weld_onnx_builder *b);

/* --- Initialisers ---------------------------------------------------------------------------- */

/* A tensor of the weights, whose elements stay where they are; of another type or shape it is not
 * the network's. */
char *weld_onnx_leaf(weld_onnx_builder *b, const char *name, weld_dtype dtype, weld_shape shape);
/* With these elements, one for all that ask for the same: a scalar; a list. */
char *weld_onnx_scalar(weld_onnx_builder *b, double value);
char *weld_onnx_list(weld_onnx_builder *b, const int64_t *values, int count);
/* An empty list of numbers. */
char *weld_onnx_nothing(weld_onnx_builder *b);
/* A list of four numbers, as Resize takes them. */
char *weld_onnx_scales(weld_onnx_builder *b, const float values[4]);
/* Initialisers of any shape, one for all that ask by the same name: of numbers, of whole ones. */
char *weld_onnx_reals_of(weld_onnx_builder *b, char *name, weld_shape shape, const float *values);
char *weld_onnx_integers_of(weld_onnx_builder *b, char *name, weld_shape shape,
                            const int64_t *values);
/* Of bytes, signed or not. */
char *weld_onnx_bytes_of(weld_onnx_builder *b, char *name, weld_shape shape, bool is_signed,
                         const void *values);

/* --- Nodes ----------------------------------------------------------------------------------- */

typedef struct weld_onnx_attribute {
    const char *name; /* NULL ends a list of attributes */
    WeldOnnx__AttributeProto__AttributeType type;
    float real;
    int count;
    int64_t integers[WELD_MAX_DIMS];
    const char *word;
} weld_onnx_attribute;

static inline weld_onnx_attribute weld_onnx_integer(const char *name, int64_t value) {
    return (weld_onnx_attribute){
        name, WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, 0, 1, {value}, NULL};
}
static inline weld_onnx_attribute weld_onnx_real(const char *name, double value) {
    return (weld_onnx_attribute){.name = name,
                                 .type = WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT,
                                 .real = (float)value};
}
static inline weld_onnx_attribute weld_onnx_word(const char *name, const char *word) {
    return (weld_onnx_attribute){
        .name = name, .type = WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, .word = word};
}
/* weld_onnx_integers("strides", 2, 2) */
#define weld_onnx_integers(name, ...)                                                              \
    ((weld_onnx_attribute){name,                                                                   \
                           WELD_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS,                       \
                           0,                                                                      \
                           (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),              \
                           {__VA_ARGS__},                                                          \
                           NULL})

/* Append a node of one output and return the output's name, which is also the node's. `form`:
 * "Clip-11", the operator as it is since that operator set, which is how ONNX's Changelog.md calls
 * it: the oldest that has the inputs and attributes given here and means the same by them. Later
 * sets have these too. `attributes` may be NULL. */
char *weld_onnx_node(weld_onnx_builder *b, const char *form, int count, char *const *inputs,
                     const weld_onnx_attribute *attributes);

WeldOnnx__NodeProto *weld_onnx_last_node(const weld_onnx_builder *b);
/* Give the last node a second output; its name. */
char *weld_onnx_second_output(weld_onnx_builder *b);

/* Is what came with this operator set to be used, in the place of older operators that come to the
 * same? Where the file is to be of that set or a later one. */
static inline bool weld_onnx_has(const weld_onnx_builder *b, int opset) {
    return b->wanted >= opset;
}

/* --- Operators: onnx_operators.c -------------------------------------------------------------- */

/* Append what the graph's outputs need and give these their names. The graph has one input. */
void weld_onnx_spell_graph(weld_onnx_builder *b);
/* Is there a spelling of the operator? */
bool weld_onnx_spells(const weld_op *op);
/* Two of the spellings: onnx_boxes.c, onnx_resize.c. */
void weld_onnx_box_decode(weld_onnx_builder *b, const weld_node *node);
void weld_onnx_resize(weld_onnx_builder *b, const weld_node *node);

/* --- Codes of integer networks: onnx_codes.c ---------------------------------------------------
 */

/* `name`, which is v, in the form that its consumers are to have it: where v has codes, made of
 * them. */
char *weld_onnx_coded(weld_onnx_builder *b, const weld_value *v, char *name);
/* Does the node run on integers? */
bool weld_onnx_is_integer(const weld_onnx_builder *b, const weld_node *node);
/* Before a product is spelled that runs on integers: have its weight and bias made of theirs. */
void weld_onnx_code_product(weld_onnx_builder *b, const weld_node *node);
/* `name`, which is the first input of the node, as the node is to read it. */
char *weld_onnx_coded_input(weld_onnx_builder *b, const weld_node *node, char *name);

/* --- Sizes of images: onnx_sizes.c ------------------------------------------------------------ */

/* Is the file, spelled, also that of options->others[i], the same network for images of another
 * size? If not, the error says which node is another one. */
weld_status weld_onnx_check_size(weld_onnx_builder *b, size_t i, const weld_onnx_options *options);

/* --- Shapes for any height and width: onnx_open_shapes.c ---------------------------------------
 */

/* [height, width] of images as large as v [n, h, w, c], in the file: the sizes of one that is
 * there. NULL: there is none. */
char *weld_onnx_size_like(weld_onnx_builder *b, const weld_value *v);
/* The target of a reshape from x to y that says no sizes of images, where there is one: rows of an
 * image's positions, rows that stay as many, or rows that become an image again. NULL: none. */
char *weld_onnx_open_target(weld_onnx_builder *b, const weld_value *x, const weld_value *y);

#endif
