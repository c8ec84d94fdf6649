/* How large the slices, chunks and groups of a stream are; plan.h says what they are. */
#include "base/memory.h"
#include "graph/plan.h"

enum {
    SLICE_BYTES = 512 * 1024, /* of what one node touches: a quarter of a second-level cache */
    LEAST_SLICE_BYTES = 160 * 1024, /* where smaller ones are wanted for many threads */
    LEAST_ROWS = 16,
    LEAST_POSITIONS = 96,  /* of a slice by images: so that weights are read for enough of them */
    LEAST_SLICES = 8,      /* so that a few threads are evenly loaded by a small stream */
    LARGE_SUM = 32 * 1024, /* bytes */
    MOST_GROUPS = 16,
    LARGE_PARTIAL = 128 * 1024, /* bytes: weight gradients of wide convolutions */
    LEAST_CHUNK_POSITIONS =
        1024, /* of a chunk or group with such sums, where there are more than */
    LEAST_CHUNKS = 4,
    MOST_PARTIAL_BYTES = 16 << 20,
    MOST_CHUNK_BYTES = 4 << 20 /* of partials of more chunks than there would be groups */
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

size_t weld_partials_bytes(const weld_step *s) {
    return (size_t)(s->chunks - 1) * s->partial_bytes +
           (s->groups ? (size_t)(s->groups - 1) * s->large_bytes : 0);
}

weld_chunk weld_chunk_of(const weld_step *s, int64_t chunk) {
    const int64_t first = weld_part_begin(s->units, s->chunks, chunk);
    const int64_t units = weld_part_begin(s->units, s->chunks, chunk + 1) - first;
    return (weld_chunk){first, units, (units + s->slice - 1) / s->slice};
}

static bool sums_large(const weld_plan *plan, const weld_node *node) {
    weld_tensor in[WELD_SUM_INPUTS];
    if (!node->op->cpu.sums_by_rows || node->input_count > WELD_SUM_INPUTS ||
        weld_sum_bytes(&plan->specs[node->outputs[0]->id]) < LARGE_SUM) {
        return false;
    }
    weld_plan_inputs(plan, node, in);
    return node->op->cpu.sums_by_rows(node, in);
}

/* What the nodes of a stream are like. */
typedef struct needs {
    size_t unit_bytes;             /* of one unit: the most that one node takes and makes */
    size_t sum_bytes, large_bytes; /* of all sums that are not large; of those that are */
    int64_t positions;             /* of one unit */
} needs;

static void add_operand(const weld_step *s, const weld_tensor *t, size_t *bytes, needs *n) {
    const int64_t positions = weld_slice_units(WELD_SLICE_ROWS, t) / s->units;
    *bytes += weld_slice_unit_bytes(s->slicing, t);
    n->positions = positions > n->positions ? positions : n->positions;
}

/* Notes which sums are large. */
static needs needs_of(const weld_plan *plan, const weld_step *s) {
    needs n = {0};
    for (size_t at = s->begin; at < s->end; at++) {
        const weld_node *node = plan->order[at];
        size_t bytes = 0;
        plan->large_sums[node->id] = sums_large(plan, node);
        for (int i = 0; i < node->input_count; i++) {
            if (weld_node_takes_slices(node, i)) {
                add_operand(s, &plan->specs[node->inputs[i]->id], &bytes, &n);
            }
        }
        for (int i = 0; i < node->output_count; i++) {
            const weld_tensor *t = &plan->specs[node->outputs[i]->id];
            if (weld_node_sums(node, i)) {
                *(plan->large_sums[node->id] ? &n.large_bytes : &n.sum_bytes) += weld_sum_bytes(t);
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

/* Parts of a step, each with a partial of so many bytes, that are worth clearing and adding up
 * partials for. */
static int64_t worthwhile_parts(const weld_step *s, int64_t positions, size_t bytes) {
    const int64_t enough = at_least(s->units * positions / LEAST_CHUNK_POSITIONS, LEAST_CHUNKS);
    const int64_t room = at_least(MOST_PARTIAL_BYTES / (int64_t)bytes, LEAST_CHUNKS);
    return at_most(bytes < LARGE_PARTIAL ? MOST_GROUPS : enough, at_most(room, MOST_GROUPS));
}

static int64_t most_chunks(const weld_step *s, int64_t positions) {
    if (!s->partial_bytes) {
        return WELD_MOST_CHUNKS;
    }
    const int64_t few = worthwhile_parts(s, positions, s->partial_bytes);
    const int64_t room = MOST_CHUNK_BYTES / (int64_t)s->partial_bytes;
    return at_least(few, at_most(room, WELD_MOST_CHUNKS));
}

/* Nearly as many, which the usual numbers of threads share evenly. */
static int64_t even_chunks(int64_t count) {
    return count < 12 ? count : (count + 8) / 16 * 16;
}

/* Groups that threads can share evenly, or nearly so, are not taken apart: that costs a little. */
static bool takes_apart(int64_t groups, int64_t threads) {
    return threads > groups || (2 * threads > groups && groups % threads != 0);
}

/* From shapes alone, but for `apart`, on which results do not depend. */
static void size_with_sums(const weld_plan *plan, weld_step *s, int64_t slice, int64_t least,
                           int64_t positions) {
    slice = at_most(slice, at_least(divide_up(s->units, WELD_MOST_CHUNKS), least));
    slice = at_most(slice, divide_up(s->units, LEAST_SLICES));
    s->chunks = at_most(even_chunks(divide_up(s->units, slice)), most_chunks(s, positions));
    s->chunks = at_most(s->chunks, s->units);
    const int64_t chunk = divide_up(s->units, s->chunks);
    s->slice =
        divide_up(chunk, divide_up(chunk, slice + slice / 4)); /* rather one than two halves */
    if (s->large_bytes) {
        s->groups = at_most(worthwhile_parts(s, positions, s->large_bytes), s->chunks);
        s->apart = plan->threads > 1 && takes_apart(s->groups, plan->threads);
    }
}

void weld_size_step(const weld_plan *plan, weld_step *s) {
    const needs n = needs_of(plan, s);
    const bool rows = s->slicing == WELD_SLICE_ROWS;
    const int64_t least = divide_up(rows ? LEAST_ROWS : LEAST_POSITIONS, at_least(n.positions, 1));
    const int64_t small = at_least(LEAST_SLICE_BYTES / (int64_t)n.unit_bytes,
                                   divide_up(LEAST_POSITIONS, at_least(n.positions, 1)));
    int64_t slice = SLICE_BYTES / (int64_t)n.unit_bytes;
    slice = at_most(at_least(slice, least), s->units);
    s->partial_bytes = n.sum_bytes;
    s->large_bytes = n.large_bytes;
    if (n.sum_bytes || n.large_bytes) {
        size_with_sums(plan, s, slice, small, at_least(n.positions, 1));
    } else {
        size_without_sums(plan, s, slice);
    }
}
