/* Running a stream of a plan slice by slice; plan.h says what it is. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/session.h"

enum {
    PIECE = 1024,         /* elements of the sums that one thread adds up at once */
    ALONE = 16 * 1024,    /* additions that are not worth waking other threads for */
    BLOCKS_OF_THREAD = 2, /* of rows of large sums: so that threads are evenly loaded */
};

typedef struct stream {
    const weld_session *session;
    const weld_step *step;
    uint64_t number; /* of the run */
} stream;

/* What a thread has of its own: the runs of the stream's nodes, and their operands one node after
 * the other, inputs before outputs, which are the slice that it is at. */
typedef struct worker {
    weld_run *runs;
    weld_tensor *operands;
    unsigned char *scratch;
} worker;

static worker worker_of(const weld_session *s, int thread) {
    const size_t t = (size_t)thread;
    return (worker){s->thread_runs + t * s->thread_run_count,
                    s->thread_operands + t * s->thread_operand_count,
                    s->arena + s->scratch + t * s->plan->scratch_bytes};
}

/* --- Binding: a chunk's sums, a slice's tensors --- */

static int64_t group_of(const weld_step *step, int64_t chunk) {
    int64_t group = 0;
    while (chunk >= weld_part_begin(step->chunks, step->groups, group + 1)) {
        group++;
    }
    return group;
}

/* Where the sums of a chunk, or the large ones of a group, lie: one after the other in its partial.
 * Those of the first are the outputs themselves: NULL. */
static unsigned char *chunk_partial(const weld_session *s, const weld_step *step, int64_t chunk) {
    return chunk > 0 && step->partial_bytes
               ? s->arena + step->partials + (size_t)(chunk - 1) * step->partial_bytes
               : NULL;
}

static unsigned char *group_partial(const weld_session *s, const weld_step *step, int64_t group) {
    return group > 0
               ? s->arena + step->partials + (size_t)(step->chunks - 1) * step->partial_bytes +
                     (size_t)(group - 1) * step->large_bytes
               : NULL;
}

/* Point the sum at *partial, if that is one, and that behind it. */
static void place_sum(weld_tensor *sum, unsigned char **partial) {
    if (*partial) {
        sum->data = *partial;
        *partial += weld_sum_bytes(sum);
    }
}

/* Sums of the chunk's own, which are zero, and its group's: zero where the group begins. */
static void bind_sums(const stream *st, int64_t chunk, const worker *w) {
    const weld_session *s = st->session;
    const weld_step *step = st->step;
    const int64_t group = step->groups ? group_of(step, chunk) : 0;
    const bool begins = step->groups && chunk == weld_part_begin(step->chunks, step->groups, group);
    unsigned char *small = chunk_partial(s, step, chunk), *large = group_partial(s, step, group);
    for (size_t at = step->begin; at < step->end; at++) {
        const weld_node *node = s->plan->order[at];
        const bool is_large = s->plan->large_sums[node->id];
        weld_tensor *out = (weld_tensor *)w->runs[at - step->begin].out;
        for (int j = 0; j < node->output_count; j++) {
            if (weld_node_sums(node, j)) {
                place_sum(&out[j], is_large ? &large : &small);
                if (is_large ? begins && !step->apart : true) {
                    memset(out[j].data, 0, weld_tensor_bytes(&out[j]));
                }
            }
        }
    }
}

/* Copies of the nodes' runs on whole tensors, but with sums of the chunk's own. */
static void bind_chunk(const stream *st, int64_t chunk, const worker *w) {
    const weld_session *s = st->session;
    weld_tensor *in = w->operands;
    for (size_t at = st->step->begin; at < st->step->end; at++) {
        const weld_run *whole = &s->runs[at];
        const weld_node *node = whole->node;
        const size_t workspace = s->plan->workspaces[at];
        weld_tensor *out = in + node->input_count;
        weld_run *run = &w->runs[at - st->step->begin];
        memcpy(in, whole->in, (size_t)node->input_count * sizeof *in);
        memcpy(out, whole->out, (size_t)node->output_count * sizeof *out);
        *run = *whole;
        run->in = in;
        run->out = out;
        run->threads = 1;
        run->accumulate = node->op->cpu.sums != 0;
        run->workspace = workspace == SIZE_MAX ? NULL : w->scratch + workspace;
        run->step = st->number;
        in = out + node->output_count;
    }
    bind_sums(st, chunk, w);
}

/* A range of units of the step, and whose scratch it may use. */
typedef struct slice {
    const weld_plan *plan;
    const weld_step *step;
    unsigned char *scratch;
    int64_t begin, units;
} slice;

/* Make t the slice of `whole`, the tensor of v: in the scratch, or where it is in `whole`. */
static void bind_operand(const slice *sl, const weld_value *v, const weld_tensor *whole,
                         weld_tensor *t) {
    const weld_slicing slicing = sl->step->slicing;
    t->shape = weld_slice_shape(slicing, whole, sl->units);
    t->data = sl->plan->in_scratch[v->id]
                  ? sl->scratch + sl->plan->offsets[v->id]
                  : (unsigned char *)whole->data +
                        (size_t)sl->begin * weld_slice_unit_bytes(slicing, whole);
}

/* What is not sliced stays as bind_chunk left it. */
static void bind_slice(const weld_session *s, const slice *sl, const worker *w) {
    weld_tensor *in = w->operands;
    for (size_t at = sl->step->begin; at < sl->step->end; at++) {
        const weld_run *whole = &s->runs[at];
        const weld_node *node = whole->node;
        weld_tensor *out = in + node->input_count;
        for (int i = 0; i < node->input_count; i++) {
            if (weld_node_takes_slices(node, i)) {
                bind_operand(sl, node->inputs[i], &whole->in[i], &in[i]);
            }
        }
        for (int j = 0; j < node->output_count; j++) {
            if (!weld_node_sums(node, j)) {
                bind_operand(sl, node->outputs[j], &whole->out[j], &out[j]);
            }
        }
        in = out + node->output_count;
    }
}

/* --- Running --- */

static void run_node(const weld_session *s, const weld_run *run, size_t at, int thread) {
    if (!s->observer) {
        run->node->op->cpu.run(run);
        return;
    }
    weld_session_event event = {.position = at, .thread = thread, .threads = 1};
    event.begin = weld_clock();
    run->node->op->cpu.run(run);
    event.end = weld_clock();
    s->observer(s->observer_context, &event);
}

static bool is_apart(const stream *st, size_t at) {
    const weld_plan *plan = st->session->plan;
    return st->step->apart && plan->large_sums[plan->order[at]->id];
}

static void run_slice(const stream *st, const weld_run *runs, int thread) {
    for (size_t at = st->step->begin; at < st->step->end; at++) {
        if (!is_apart(st, at)) {
            run_node(st->session, &runs[at - st->step->begin], at, thread);
        }
    }
}

/* Slice i of a chunk. */
static slice slice_of(const stream *st, const weld_chunk *c, int64_t i, unsigned char *scratch) {
    const int64_t begin = weld_part_begin(c->units, c->slices, i);
    const int64_t end = weld_part_begin(c->units, c->slices, i + 1);
    return (slice){st->session->plan, st->step, scratch, c->first + begin, end - begin};
}

static void run_chunk(void *arg, int64_t chunk, int thread) {
    const stream *st = arg;
    const worker w = worker_of(st->session, thread);
    const weld_chunk c = weld_chunk_of(st->step, chunk);
    bind_chunk(st, chunk, &w);
    for (int64_t i = 0; i < c.slices; i++) {
        const slice sl = slice_of(st, &c, i, w.scratch);
        bind_slice(st->session, &sl, &w);
        run_slice(st, w.runs, thread);
    }
}

static void run_group(void *arg, int64_t group, int thread) {
    const weld_step *step = ((const stream *)arg)->step;
    const int64_t end = weld_part_begin(step->chunks, step->groups, group + 1);
    for (int64_t i = weld_part_begin(step->chunks, step->groups, group); i < end; i++) {
        run_chunk(arg, i, thread);
    }
}

/* --- Large sums, apart --- */

/* One of them, in blocks of its rows. */
typedef struct apart {
    const stream *st;
    size_t at, offset; /* position of the node; of the sum in its group's partial */
    int64_t rows, blocks;
} apart;

static int64_t block_begin(const apart *a, int64_t block) {
    const int64_t units = (a->rows + WELD_SUM_GRAIN - 1) / WELD_SUM_GRAIN;
    const int64_t row = weld_part_begin(units, a->blocks, block) * WELD_SUM_GRAIN;
    return row < a->rows ? row : a->rows;
}

/* What the slices of a chunk give to the rows of `run`. */
static void add_chunk(const apart *a, int64_t chunk, weld_run *run, weld_tensor *in, int thread) {
    const weld_session *s = a->st->session;
    const weld_run *whole = &s->runs[a->at];
    const weld_chunk c = weld_chunk_of(a->st->step, chunk);
    for (int64_t i = 0; i < c.slices; i++) {
        const slice sl = slice_of(a->st, &c, i, NULL);
        for (int j = 0; j < whole->node->input_count; j++) {
            if (weld_node_takes_slices(whole->node, j)) {
                bind_operand(&sl, whole->node->inputs[j], &whole->in[j], &in[j]);
            }
        }
        run_node(s, run, a->at, thread);
    }
}

static void sum_block(void *arg, int64_t item, int thread) {
    const apart *a = arg;
    const weld_session *s = a->st->session;
    const weld_step *step = a->st->step;
    const int64_t group = item / a->blocks, block = item % a->blocks;
    weld_run run = s->runs[a->at];
    weld_tensor in[WELD_SUM_INPUTS], out = run.out[0];
    unsigned char *partial = group_partial(s, step, group);
    memcpy(in, run.in, (size_t)run.node->input_count * sizeof *in);
    out.data = partial ? partial + a->offset : out.data;
    run.in = in;
    run.out = &out;
    run.threads = 1;
    run.accumulate = true;
    run.step = a->st->number;
    run.first_row = block_begin(a, block);
    run.end_row = block_begin(a, block + 1);
    const size_t row_bytes = weld_tensor_bytes(&out) / (size_t)a->rows;
    memset((char *)out.data + (size_t)run.first_row * row_bytes, 0,
           (size_t)(run.end_row - run.first_row) * row_bytes);
    const int64_t end = weld_part_begin(step->chunks, step->groups, group + 1);
    for (int64_t i = weld_part_begin(step->chunks, step->groups, group); i < end; i++) {
        add_chunk(a, i, &run, in, thread);
    }
}

static void sum_apart(const stream *st) {
    const weld_session *s = st->session;
    const weld_step *step = st->step;
    apart a = {.st = st, .at = step->begin};
    for (; a.at < step->end; a.at++) {
        if (is_apart(st, a.at)) {
            const weld_tensor *sum = &s->runs[a.at].out[0];
            const int64_t wanted = BLOCKS_OF_THREAD * s->plan->threads / step->groups;
            a.rows = sum->shape.dim[0];
            a.blocks = (a.rows + WELD_SUM_GRAIN - 1) / WELD_SUM_GRAIN;
            a.blocks = wanted < a.blocks ? wanted : a.blocks;
            weld_parallel(s->plan->threads, step->groups * a.blocks, sum_block, &a);
            a.offset += weld_sum_bytes(sum);
        }
    }
}

/* --- Adding up partials --- */

typedef struct adding {
    const stream *st;
    const weld_tensor *sum;
    bool large;
    int64_t partials; /* beside the sum itself, which has the first */
    size_t offset;    /* of it in a partial */
} adding;

static void add_piece(void *arg, int64_t piece, int thread) {
    (void)thread;
    const adding *a = arg;
    const weld_session *s = a->st->session;
    const weld_step *step = a->st->step;
    const size_t size = weld_dtype_size(a->sum->dtype);
    const weld_kernels *kernels = s->plan->kernels[a->sum->dtype];
    const int64_t total = weld_shape_count(&a->sum->shape), begin = piece * PIECE;
    const int64_t count = total - begin < PIECE ? total - begin : PIECE;
    char *sum = (char *)a->sum->data + (size_t)begin * size;
    for (int64_t i = 1; i <= a->partials; i++) {
        const unsigned char *part =
            (a->large ? group_partial(s, step, i) : chunk_partial(s, step, i)) + a->offset +
            (size_t)begin * size;
        if (kernels) {
            kernels->add(count, sum, part, sum);
            continue;
        }
        for (int64_t j = 0; j < count; j++) { /* double: statistics of a batch */
            ((double *)sum)[j] += ((const double *)part)[j];
        }
    }
}

static void add_partials(const stream *st) {
    const weld_session *s = st->session;
    size_t small = 0, large = 0;
    for (size_t at = st->step->begin; at < st->step->end; at++) {
        const weld_node *node = s->plan->order[at];
        for (int j = 0; j < node->output_count; j++) {
            if (weld_node_sums(node, j)) {
                const bool is_large = s->plan->large_sums[node->id];
                size_t *offset = is_large ? &large : &small;
                adding a = {st, &s->runs[at].out[j], is_large,
                            (is_large ? st->step->groups : st->step->chunks) - 1, *offset};
                const int64_t total = weld_shape_count(&a.sum->shape);
                weld_parallel(total * a.partials > ALONE ? s->plan->threads : 1,
                              (total + PIECE - 1) / PIECE, add_piece, &a);
                *offset += weld_sum_bytes(a.sum);
            }
        }
    }
}

void weld_session_run_stream(const weld_session *s, const weld_step *step, uint64_t number) {
    stream st = {s, step, number};
    for (size_t at = step->begin; at < step->end; at++) {
        weld_session_prepare(s, at);
    }
    const bool by_group = step->groups && !step->apart;
    weld_parallel(s->plan->threads, by_group ? step->groups : step->chunks,
                  by_group ? run_group : run_chunk, &st);
    if (step->apart) {
        sum_apart(&st);
    }
    add_partials(&st);
}
