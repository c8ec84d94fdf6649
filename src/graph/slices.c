/* How large the slices and chunks of a stream are; plan.h says what they are. */
#include "base/memory.h"
#include "graph/plan.h"

enum {
    SLICE_BYTES = 512 * 1024, /* of what one node touches: a quarter of a second-level cache */
    LEAST_ROWS = 16,
    LEAST_POSITIONS = 96, /* of a slice by images: so that weights are read for enough of them */
    LEAST_SLICES = 8,     /* so that a few threads are evenly loaded by a small stream */
    LARGE_PARTIAL = 128 * 1024,   /* bytes: weight gradients of wide convolutions */
    LEAST_CHUNK_POSITIONS = 1024, /* of a chunk with such sums, where there are more than */
    LEAST_CHUNKS = 4,
    MOST_PARTIAL_BYTES = 16 << 20
};

int64_t weld_slice_units(weld_slicing slicing, const weld_tensor *t) {
    return slicing == WELD_SLICE_IMAGES
               ? t->shape.dim[0]
               : weld_shape_count(&t->shape) / t->shape.dim[t->shape.rank - 1];
}

size_t weld_slice_unit_bytes(weld_slicing slicing, const weld_tensor *t) {
    return (size_t)(weld_shape_count(&t->shape) / weld_slice_units(slicing, t)) *
           weld_dtype_size(t->dtype);
}

weld_shape weld_slice_shape(weld_slicing slicing, const weld_tensor *t, int64_t units) {
    weld_shape shape = t->shape;
    if (slicing == WELD_SLICE_IMAGES) {
        shape.dim[0] = units;
        return shape;
    }
    for (int i = 0; i < shape.rank - 2; i++) {
        shape.dim[i] = 1;
    }
    shape.dim[shape.rank - 2] = units;
    return shape;
}

size_t weld_sum_bytes(const weld_tensor *t) {
    return weld_round_up(weld_tensor_bytes(t), WELD_ALIGNMENT);
}

/* What the nodes of a stream are like. */
typedef struct needs {
    size_t unit_bytes; /* of one unit: the most that one node takes and makes */
    size_t sum_bytes;  /* of all sums */
    int64_t positions; /* of one unit */
} needs;

static void add_operand(const weld_step *s, const weld_tensor *t, size_t *bytes, needs *n) {
    const int64_t positions = weld_slice_units(WELD_SLICE_ROWS, t) / s->units;
    *bytes += weld_slice_unit_bytes(s->slicing, t);
    n->positions = positions > n->positions ? positions : n->positions;
}

static needs needs_of(const weld_plan *plan, const weld_step *s) {
    needs n = {0};
    for (size_t at = s->begin; at < s->end; at++) {
        const weld_node *node = plan->order[at];
        size_t bytes = 0;
        for (int i = 0; i < node->input_count; i++) {
            if (weld_node_takes_slices(node, i)) {
                add_operand(s, &plan->specs[node->inputs[i]->id], &bytes, &n);
            }
        }
        for (int i = 0; i < node->output_count; i++) {
            const weld_tensor *t = &plan->specs[node->outputs[i]->id];
            if (weld_node_sums(node, i)) {
                n.sum_bytes += weld_sum_bytes(t);
            } else {
                add_operand(s, t, &bytes, &n);
            }
        }
        n.unit_bytes = bytes > n.unit_bytes ? bytes : n.unit_bytes;
    }
    return n;
}

static int64_t at_most(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* As many slices for every thread: results do not depend on them. */
static void size_without_sums(const weld_plan *plan, weld_step *s, int64_t slice) {
    const int64_t threads = plan->threads, least = at_most(s->units, LEAST_ROWS);
    const bool images = s->slicing == WELD_SLICE_IMAGES;
    int64_t count = divide_up(divide_up(s->units, slice), threads) * threads;
    count = at_most(count, images ? s->units : at_least(s->units / least, 1));
    s->chunks = count;
    s->slice = divide_up(s->units, count);
}

/* Chunks that are worth clearing, and adding up, a partial of this size for. */
static int64_t worthwhile_chunks(const weld_step *s, int64_t positions) {
    const int64_t enough = at_least(s->units * positions / LEAST_CHUNK_POSITIONS, LEAST_CHUNKS);
    return s->partial_bytes < LARGE_PARTIAL ? WELD_MOST_CHUNKS : enough;
}

/* From shapes alone. */
static void size_with_sums(weld_step *s, int64_t slice, int64_t positions) {
    const int64_t room = at_least(MOST_PARTIAL_BYTES / (int64_t)s->partial_bytes, 4);
    const int64_t most = at_most(worthwhile_chunks(s, positions), WELD_MOST_CHUNKS);
    slice = at_most(slice, divide_up(s->units, LEAST_SLICES));
    s->chunks = at_most(at_most(divide_up(s->units, slice), most), room);
    const int64_t chunk = divide_up(s->units, s->chunks);
    s->slice = divide_up(chunk, divide_up(chunk, slice));
}

void weld_size_step(const weld_plan *plan, weld_step *s) {
    const needs n = needs_of(plan, s);
    const int64_t least = s->slicing == WELD_SLICE_ROWS
                              ? LEAST_ROWS
                              : divide_up(LEAST_POSITIONS, at_least(n.positions, 1));
    int64_t slice = SLICE_BYTES / (int64_t)n.unit_bytes;
    slice = at_most(at_least(slice, least), s->units);
    s->partial_bytes = n.sum_bytes;
    if (n.sum_bytes) {
        size_with_sums(s, slice, at_least(n.positions, 1));
    } else {
        size_without_sums(plan, s, slice);
    }
}
