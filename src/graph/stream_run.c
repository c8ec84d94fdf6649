/* Running a stream of a plan slice by slice; plan.h says what it is. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/session.h"

enum { PIECE = 4096 }; /* elements of the sums that one thread adds up at once */

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

/* Where the sums of a chunk lie. The first chunk's are the outputs themselves (NULL), the others'
 * lie one after the other in their partial. */
static unsigned char *partial_of(const weld_session *s, const weld_step *step, int64_t chunk) {
    return chunk > 0 && step->partial_bytes
               ? s->arena + step->partials + (size_t)(chunk - 1) * step->partial_bytes
               : NULL;
}

/* Copies of the nodes' runs on whole tensors, but with sums of the chunk's own, which are zero. */
static void bind_chunk(const stream *st, int64_t chunk, const worker *w) {
    const weld_session *s = st->session;
    unsigned char *partial = partial_of(s, st->step, chunk);
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
        for (int j = 0; j < node->output_count; j++) {
            if (weld_node_sums(node, j)) {
                if (partial) {
                    out[j].data = partial;
                    partial += weld_sum_bytes(&out[j]);
                }
                memset(out[j].data, 0, weld_tensor_bytes(&out[j]));
            }
        }
        in = out + node->output_count;
    }
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

static void run_slice(const stream *st, const weld_run *runs, int thread) {
    const weld_session *s = st->session;
    for (size_t at = st->step->begin; at < st->step->end; at++) {
        const weld_run *run = &runs[at - st->step->begin];
        if (!s->observer) {
            run->node->op->cpu.run(run);
            continue;
        }
        weld_session_event event = {.position = at, .thread = thread, .threads = 1};
        event.begin = weld_clock();
        run->node->op->cpu.run(run);
        event.end = weld_clock();
        s->observer(s->observer_context, &event);
    }
}

static void run_chunk(void *arg, int64_t chunk, int thread) {
    const stream *st = arg;
    const weld_session *s = st->session;
    const weld_step *step = st->step;
    const worker w = worker_of(s, thread);
    bind_chunk(st, chunk, &w);
    const int64_t first = weld_part_begin(step->units, step->chunks, chunk);
    const int64_t count = weld_part_begin(step->units, step->chunks, chunk + 1) - first;
    const int64_t slices = (count + step->slice - 1) / step->slice;
    for (int64_t i = 0; i < slices; i++) {
        const int64_t begin = weld_part_begin(count, slices, i);
        const int64_t end = weld_part_begin(count, slices, i + 1);
        const slice sl = {s->plan, step, w.scratch, first + begin, end - begin};
        bind_slice(s, &sl, &w);
        run_slice(st, w.runs, thread);
    }
}

/* --- Sums --- */

typedef struct adding {
    const stream *st;
    const weld_tensor *sum;
    size_t offset; /* of it in a partial */
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
    for (int64_t chunk = 1; chunk < step->chunks; chunk++) {
        const unsigned char *part = partial_of(s, step, chunk) + a->offset + (size_t)begin * size;
        if (kernels) {
            kernels->add(count, sum, part, sum);
            continue;
        }
        for (int64_t i = 0; i < count; i++) { /* double: statistics of a batch */
            ((double *)sum)[i] += ((const double *)part)[i];
        }
    }
}

static void add_partials(const stream *st) {
    const weld_session *s = st->session;
    adding a = {.st = st};
    for (size_t at = st->step->begin; at < st->step->end && st->step->chunks > 1; at++) {
        const weld_node *node = s->plan->order[at];
        for (int j = 0; j < node->output_count; j++) {
            if (weld_node_sums(node, j)) {
                a.sum = &s->runs[at].out[j];
                const int64_t total = weld_shape_count(&a.sum->shape);
                weld_parallel(total > PIECE ? s->plan->threads : 1, (total + PIECE - 1) / PIECE,
                              add_piece, &a);
                a.offset += weld_sum_bytes(a.sum);
            }
        }
    }
}

void weld_session_run_stream(const weld_session *s, const weld_step *step, uint64_t number) {
    stream st = {s, step, number};
    for (size_t at = step->begin; at < step->end; at++) {
        weld_session_prepare(s, at);
    }
    weld_parallel(s->plan->threads, step->chunks, run_chunk, &st);
    add_partials(&st);
}
