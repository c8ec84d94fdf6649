/* The graph from inside: values, nodes, operators. Building functions are in weld/graph.h. */
#ifndef WELD_GRAPH_GRAPH_H
#define WELD_GRAPH_GRAPH_H

#include <stdatomic.h>

#include "base/names.h"
#include "kernels/int8.h"
#include "weld/graph.h"

typedef struct weld_node weld_node;
typedef struct weld_op weld_op;

typedef enum weld_value_kind {
    WELD_VALUE_INPUT,
    WELD_VALUE_PARAMETER,
    WELD_VALUE_BUFFER,
    WELD_VALUE_RESULT
} weld_value_kind;

struct weld_value {
    weld_graph *graph;
    int id; /* index in graph->values */
    weld_value_kind kind;
    weld_dtype dtype;
    weld_shape shape;
    const char *name;         /* leaves; "" for results */
    weld_init init;           /* parameters and buffers */
    weld_node *producer;      /* results */
    int output_index;         /* which output of the producer */
    const weld_value *viewed; /* itself, or what it is a view of, which is none */
    int reads;         /* how often nodes of the graph have it as an input, and outputs are it */
    weld_node *reader; /* the last of these nodes; NULL: none */
};

/* How a value is kept as codes of WELD_U8: real = scale (code - zero). scale 0: it has none. */
typedef struct weld_codes {
    float scale;
    int32_t zero;
} weld_codes;
enum { WELD_MAX_CODES = 5 };

/* What an operator may be told. One flat struct for all of them: an operator's `attributes` say
 * which fields it has; those are printed, written to files and compared, the others are zero. */
typedef struct weld_attributes {
    int kernel[2], stride[2], padding[2], groups; /* windows: height, width */
    int dilation[2];                              /* likewise; 0 where it is 1 */
    bool same; /* the padding is what makes the output as large as the input over the stride,
                * rounded up, the smaller half of it before the input: TensorFlow's "SAME" */
    double eps, momentum, factor, probability, low, high;
    int heads, axis, function; /* function: a weld_unary */
    int count;                 /* at most so many are taken */
    double alpha, beta;        /* exponents of a product of powers */
    int64_t begin, end;
    weld_shape
        shape;    /* reshape, fill: target; permute: order in dim[]; *_grad: shape of the input */
    int64_t salt; /* which stream of random numbers */
    weld_dtype dtype; /* of the output */
    bool unrounded;   /* the output is of the parameters' type where activations are narrower */
    weld_codes codes[WELD_MAX_CODES]; /* of inputs and outputs, as each operator says */
} weld_attributes;

enum {
    WELD_ATTR_KERNEL = 1 << 0,
    WELD_ATTR_STRIDE = 1 << 1,
    WELD_ATTR_PADDING = 1 << 2,
    WELD_ATTR_GROUPS = 1 << 3,
    WELD_ATTR_EPS = 1 << 4,
    WELD_ATTR_MOMENTUM = 1 << 5,
    WELD_ATTR_FACTOR = 1 << 6,
    WELD_ATTR_PROBABILITY = 1 << 7,
    WELD_ATTR_HEADS = 1 << 8,
    WELD_ATTR_AXIS = 1 << 9,
    WELD_ATTR_FUNCTION = 1 << 10,
    WELD_ATTR_BEGIN = 1 << 11,
    WELD_ATTR_END = 1 << 12,
    WELD_ATTR_SHAPE = 1 << 13,
    WELD_ATTR_SALT = 1 << 14,
    WELD_ATTR_DTYPE = 1 << 15,
    WELD_ATTR_DILATION = 1 << 16,
    WELD_ATTR_LOW = 1 << 17,
    WELD_ATTR_HIGH = 1 << 18,
    WELD_ATTR_SAME = 1 << 19,
    WELD_ATTR_COUNT = 1 << 20,
    WELD_ATTR_ALPHA = 1 << 21,
    WELD_ATTR_BETA = 1 << 22,
    WELD_ATTR_UNROUNDED = 1 << 23,
    WELD_ATTR_CODES = 1 << 24
};

/* Table for those who print, write or read attributes generically. */
typedef enum weld_field_type {
    WELD_FIELD_INT,
    WELD_FIELD_INT2,
    WELD_FIELD_INT64,
    WELD_FIELD_DOUBLE,
    WELD_FIELD_BOOL,
    WELD_FIELD_SHAPE,
    WELD_FIELD_DTYPE,
    WELD_FIELD_CODES /* only of operators that no file holds */
} weld_field_type;
typedef struct weld_attribute_field {
    unsigned bit;
    const char *name;
    weld_field_type type;
    size_t offset; /* in weld_attributes */
    bool optional; /* neither printed nor written where it is 0, as in files older than the field */
} weld_attribute_field;
extern const weld_attribute_field weld_attribute_fields[];
extern const size_t weld_attribute_field_count;

#define WELD_MAX_OUTPUTS 6

struct weld_node {
    weld_graph *graph;
    int id; /* index in graph->nodes; inputs always have smaller ids */
    const weld_op *op;
    weld_attributes attributes;
    int input_count, output_count;
    weld_value **inputs; /* optional inputs that are absent are NULL */
    weld_value *outputs[WELD_MAX_OUTPUTS];
    /* The node that has computed the same before, from the same, where it is computed again rather
     * than kept (passes/rematerialize.h); all of one `segment` are at once. Else NULL. */
    const weld_node *again;
    int segment;
};

/* Everything an operator's `run` may see. Absent inputs have data NULL. */
typedef struct weld_run {
    const weld_node *node;
    const weld_node *finish; /* what becomes of output 0 (see `finishes`); NULL: nothing */
    const weld_tensor *in, *out;
    void *workspace;      /* WELD_ALIGNMENT-aligned, of the size that `workspace` asked for */
    const void *prepared; /* likewise, as `prepare` filled it */
    int threads;
    bool constant_weights; /* what is prepared of them is kept from run to run */
    bool accumulate; /* add to the outputs that are sums (see `sums`) rather than overwrite them */
    int64_t first_row, end_row;  /* of output 0, along its first dimension, where sums_by_rows: the
                                  * others are left alone. 0, 0: all */
    const weld_kernels *kernels; /* weld_plan_kernels of the node */
    const weld_int8_kernels *int8; /* where values of the graph are codes */
    atomic_bool *lost; /* to be set where what is not finite becomes what is, as no code is not */
    uint64_t seed, step;
} weld_run;

typedef struct weld_cost {
    double flops, bytes; /* multiply-adds times two; read and written */
} weld_cost;

/* How an operator may be run on a slice of its tensors: not at all, on a range of rows (all
 * dimensions but the last, flattened), or on a range of dimension 0 (images). */
typedef enum weld_slicing { WELD_SLICE_NONE, WELD_SLICE_ROWS, WELD_SLICE_IMAGES } weld_slicing;

/* What an operator takes among its inputs: bit t for the weld_dtype t. Integers (labels, counts)
 * are no activations: of these the shape rule alone decides. */
#define WELD_TYPES_FLOAT (1u << WELD_F32 | 1u << WELD_F64)
#define WELD_TYPES_FLOAT_BF16 (WELD_TYPES_FLOAT | 1u << WELD_BF16)
#define WELD_TYPES_MOVED (WELD_TYPES_FLOAT_BF16 | 1u << WELD_U8) /* where nothing is computed */

/* What an operator, or a node of it, is to those who know none by name. */
enum {
    WELD_OP_TRAINING_ONLY = 1 << 0, /* no graph for inference has it: gradients, losses, chance, and
                                     * what passes over training graphs make */
    WELD_OP_CONVOLUTION = 1 << 1,   /* counts as one where a network's layers are counted */
    /* It costs little more than reading its inputs does, and its output has the shape of the first:
     * to be computed anew rather than kept. */
    WELD_OP_CHEAP = 1 << 2,
    /* It wants row r of its inputs (all dimensions but the last, flattened) for row r of its
     * outputs or for a sum over rows: the inputs need never be there as a whole. */
    WELD_OP_BY_ROW = 1 << 3,
    /* Its outputs are complete only when all rows of its inputs have been seen, or are vectors. */
    WELD_OP_REDUCES = 1 << 4
};

/* A node that is linear in each channel of `terms` of its inputs: output[.., c] is the sum over
 * i < terms of factor[i][c] term[i][.., c], and shift[c]. All are inputs, NULL for factors that are
 * 1 and a shift of 0. */
typedef struct weld_linear_form {
    int terms; /* 0: it is none */
    weld_value *term[2], *factor[2], *shift;
    bool is_weight; /* the factor is the weight of a convolution, [c, 1, 1, 1] */
} weld_linear_form;

/* Inputs of a node that are running averages: `count` of them, of the node's type, from input
 * `first` on, and behind them, in the place of an i64, how many runs they are of. They are moved by
 * the node's last output, of WELD_F64, which has their elements in a row: x = (1 - momentum) x +
 * momentum value. count 0: there are none. Such nodes are run whole. */
typedef struct weld_running {
    int first, count;
} weld_running;

/* Rows of a large sum: what is a multiple of the strips of all products (kernels.h, gemm_at_b). */
enum { WELD_SUM_GRAIN = 32 };

/* How a cpu runs an operator: on memory that it shares with the host, by the kernels of a
 * weld_kernels. */
typedef struct weld_op_cpu {
    unsigned inplace; /* bit i: output 0 may overwrite input i, being of equal size */
    /* Bytes of scratch that such a run wants, whose tensors have no data yet; NULL: none. */
    size_t (*workspace)(const weld_run *run);
    void (*run)(const weld_run *run);

    /* What does not change from slice to slice, or where weights are constant from run to run:
     * packed weights. `prepared` says its bytes, as workspace does (NULL: none), `prepare` writes
     * it to `prepared` (in parallel with run->threads) and is called before run, which finds it in
     * run->prepared. `prepares`: bit i: prepare reads input i (no others, nor the workspace). What
     * it makes must not depend on the batch: where these inputs are constant, sessions of several
     * batches share it. */
    size_t (*prepared)(const weld_run *run);
    void (*prepare)(const weld_run *run, void *prepared);
    unsigned prepares;

    /* Slices: where `slicing` allows it, `run` may be called with one thread for a slice of the
     * inputs whose bit is in `sliced`; outputs are slices of the same range, but for those in
     * `sums` (always with run->accumulate), to which the slice's contribution is added. A slice by
     * rows is given the shape [1, ..., rows, c]. NULL: not at all. */
    weld_slicing (*slicing)(const weld_node *node, const weld_tensor *in);
    unsigned sliced, sums;
    /* Can such a run of this node, whose one output is a sum, be for some rows of it alone, with
     * the same bits? Ranges begin at multiples of WELD_SUM_GRAIN. NULL: it cannot. */
    bool (*sums_by_rows)(const weld_node *node, const weld_tensor *in);

    /* `run` writes to its outputs alone; what every run of a node moves beside are these. */
    weld_running running;

    /* It is weld_kernels.unary, of the function among its attributes, and nothing else: what makes
     * its input may do that in passing. */
    bool is_finish;
    /* Does that gain where the node makes it with these kernels? Its run then hands all that it
     * makes to weld_finish (ops/ops.h), part by part, each while it is in the cache. NULL: never.
     */
    bool (*finishes)(const weld_node *node, const weld_kernels *kernels);
} weld_op_cpu;

/* The gradient of a node, to be built in the graph g: dx[i] for each i where wanted[i], from dy[j],
 * which is NULL where nothing flows back through output j (dy[0] never is unless another is not).
 * Leaving dx[i] NULL means zero. */
typedef struct weld_gradient {
    weld_graph *g;
    const weld_node *node;
    weld_value *const *dy;
    const bool *wanted;
    weld_value **dx;
} weld_gradient;

/* An operator: what it is, and how a cpu runs it. Shape rules and costs see specs (data NULL), so
 * that one graph serves any batch.
 *
 * Every operator runs on a cpu, which defines it. Another device brings a struct of its own kind
 * and, in its own room, a table of these found by operator, as serialization/onnx_operators.c has
 * one of spellings: nothing here has to know of it. */
struct weld_op {
    const char *name;
    int inputs[2]; /* at least and at most; -1: any number */
    int outputs;
    unsigned attributes; /* WELD_ATTR_... */
    unsigned types;      /* WELD_TYPES_...: inputs of other types are refused */
    unsigned traits;     /* WELD_OP_...: of all its nodes; of one, weld_node_traits */
    bool view;           /* its one output is input 0's memory under another shape; it is not run */

    /* Fill out[0..outputs) (dtype and shape) from in; on misfit weld_fail(err, WELD_ERROR_SHAPE,
     * ...) with the reason alone: the caller puts the node's name in front. */
    weld_status (*infer)(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err);
    /* Emit the nodes of a gradient. Errors stay in the graph. NULL: not differentiable. */
    void (*grad)(const weld_gradient *of);
    int flops;        /* multiply-adds times two, for each element of input 0 */
    int extra_passes; /* how often it reads or writes input 0's bytes beyond all operands' once */
    /* Corrects what these say. NULL: they are right. The tensors have no data. */
    void (*cost)(const weld_run *run, weld_cost *cost);
    /* The multiply-adds that count where networks are compared, which are those of convolutions and
     * linear layers, of the whole batch. NULL: none. */
    int64_t (*macs)(const weld_node *node);
    /* Traits that this node has beside those of all. NULL: none. */
    unsigned (*node_traits)(const weld_node *node);
    /* The node as a linear form. NULL: never one. */
    weld_linear_form (*linear)(const weld_node *node);

    weld_op_cpu cpu;
};

/* Does the node say anything by this field? */
bool weld_node_has_field(const weld_node *node, const weld_attribute_field *field);

/* The value whose memory v lies in: itself, or what it is a view of. NULL of NULL. */
static inline const weld_value *weld_viewed(const weld_value *v) {
    return v ? v->viewed : NULL;
}

/* All traits of a node. */
static inline unsigned weld_node_traits(const weld_node *node) {
    const weld_op *op = node->op;
    return op->traits | (op->node_traits ? op->node_traits(node) : 0);
}

static inline weld_linear_form weld_node_linear(const weld_node *node) {
    return node->op->linear ? node->op->linear(node) : (weld_linear_form){0};
}

typedef struct weld_named_value {
    const char *name;
    weld_value *value;
} weld_named_value;

struct weld_graph {
    weld_dtype dtype;
    weld_value **values;
    size_t value_count, value_capacity;
    weld_node **nodes;
    size_t node_count, node_capacity;
    weld_named_value *outputs;
    size_t output_count, output_capacity;
    weld_value **parameters; /* those of values */
    size_t parameter_count, parameter_capacity;
    weld_names leaf_names, output_names; /* to index in values, in outputs */
    weld_error error;                    /* the first */
    int64_t next_salt;
};

/* Append a node and return its output 0 (NULL on error, see weld/graph.h). Inputs may be NULL only
 * where they are optional: pass `required` as the number of leading inputs that must not be. */
weld_value *weld_graph_node(weld_graph *g, const weld_op *op, const weld_attributes *attributes,
                            weld_value *const *inputs, int count, int required);

/* Set the graph's error unless it has one already; returns NULL so that builders can return it. */
weld_value *weld_graph_fail(weld_graph *g, weld_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "conv2d#12 (features.0.0.c.weight)": the node's operator, number and first named leaf. */
const char *weld_node_text(const weld_node *node, char *text, size_t size);

/* Sets needed[value id] of what these values of g are computed by; the others stay as they are. */
void weld_graph_find_needed(const weld_graph *g, const weld_named_value *values, size_t count,
                            bool *needed);
/* Is any output? */
bool weld_node_is_needed(const weld_node *node, const bool *needed);

size_t weld_graph_most_inputs(const weld_graph *g); /* of one node; at least 1 */
weld_value *weld_graph_find_leaf(const weld_graph *g, const char *name);

/* A copy of node in dst with other inputs (all outputs are made, output 0 is returned). */
weld_value *weld_graph_copy_node(weld_graph *dst, const weld_node *node, weld_value *const *inputs);
/* A copy of a leaf in dst. */
weld_value *weld_graph_copy_leaf(weld_graph *dst, const weld_value *leaf);

/* The part of g that `outputs` (values of g) are computed by, as a graph of its own whose inputs
 * have the shape `input`; copy.c. All shapes are inferred anew: where an operator cannot take what
 * reaches it, WELD_ERROR_SHAPE names it. */
weld_status weld_graph_cut(const weld_graph *g, weld_shape input, const weld_named_value *outputs,
                           size_t count, weld_graph **out, weld_error *err);

/* The same with all parameters and buffers of g, whether these outputs need them or not. */
weld_status weld_graph_resized(const weld_graph *g, weld_shape input,
                               const weld_named_value *outputs, size_t count, weld_graph **out,
                               weld_error *err);

/* Memory for tensors to come, in one piece, which lies on huge pages where it is large: what does
 * not fit gets memory of its own. Only the first time. `bytes` is best the sum of the tensors',
 * each rounded up to WELD_ALIGNMENT. */
weld_status weld_weights_reserve(weld_weights *w, size_t bytes, weld_error *err);

/* In place of it: memory from weld_alloc_raw that holds tensors already, and is w's from now on. */
void weld_weights_own(weld_weights *w, void *memory);
/* Add a tensor whose data lie in that memory, aligned to WELD_ALIGNMENT. */
weld_status weld_weights_place(weld_weights *w, const char *name, weld_dtype dtype,
                               const weld_shape *shape, void *data, weld_error *err);

/* --- Prepared forms of constant weights: prepared.c ---
 * A store is kept with the weights and shared by all sessions over them; safe to use from several
 * threads at once. */

typedef struct weld_prepared weld_prepared;

/* All that the node prepares from is parameters, or views of them. */
bool weld_node_prepares_constants(const weld_node *node);
weld_status weld_prepared_create(weld_prepared **out, weld_error *err);
/* The store that goes with w, made by the first who asks; to be released by each. */
weld_status weld_weights_prepared(weld_weights *w, weld_prepared **out, weld_error *err);
weld_prepared *weld_prepared_retain(weld_prepared *p);
void weld_prepared_release(weld_prepared *p); /* freed with the last; NULL is nothing */
/* Before the first form: memory in one piece, as weld_weights_reserve, for forms of so many bytes
 * in all, each rounded up to WELD_ALIGNMENT. Where there is a form already nothing is done. */
weld_status weld_prepared_reserve(weld_prepared *p, size_t bytes, weld_error *err);
/* Sets runs[i]->prepared to what runs[i]->node prepares, bytes[i] long, for all of `count`: what
 * was made by an earlier run of the same operator, attributes, inputs and kernels, or what is made
 * now, on up to `threads` threads. Lives as long as the store. */
weld_status weld_prepared_find(weld_prepared *p, weld_run *const *runs, const size_t *bytes,
                               size_t count, int threads, weld_error *err);

/* --- Sessions from inside, for benchmarks and profiles: session.c --- */

typedef struct weld_plan weld_plan; /* graph/plan.h */

const weld_plan *weld_session_plan(const weld_session *s);
/* A stretch of time that one node took: a whole run of it, or one slice. */
typedef struct weld_session_event {
    size_t position;     /* of the node in the plan's order */
    int thread, threads; /* it kept busy threads thread .. thread + threads - 1 */
    double begin, end;   /* weld_clock */
} weld_session_event;

/* While there is an observer it is told of every stretch as it ends, by the thread
 * `thread`: calls from several threads may overlap. NULL: none, the state after creation. */
typedef void (*weld_session_observer)(void *context, const weld_session_event *event);
void weld_session_observe(weld_session *s, weld_session_observer observer, void *context);

/* A function that is called, by the thread that runs it, after each step (graph/plan.h) of every
 * weld_session_run: steps are numbered from 0, in their order. What it finds of an output whose
 * step is done stays as it is until the next run. NULL: none, the state after creation. */
typedef void (*weld_session_step_function)(void *context, size_t step);
void weld_session_after_step(weld_session *s, weld_session_step_function function, void *context);
/* The step after which a value that something needs is complete; 0 for leaves, which are before.
 * Streams stay as they are: what runs in the same stream as its node is done by then too. */
size_t weld_session_step_of(const weld_session *s, const weld_value *v);

#endif
