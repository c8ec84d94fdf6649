/* Running a stream of a plan slice by slice; plan.h says what it is. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/session.h"

enum { PIECE = 4096 }; /* elements of the sums that one thread adds up at once */

/* What an operand is to a stream. */
typedef enum operand_kind { WHOLE, SLICE, SCRATCH, SUM } operand_kind;

typedef struct stream {
    const weld_session *session;
    const weld_step *step;
    uint64_t number; /* of the run */
} stream;

static operand_kind kind_of(const weld_plan *plan, const weld_node *node, int i) {
    const bool in = i < node->input_count;
    const int output = i - node->input_count;
    const weld_value *v = in ? node->inputs[i] : node->outputs[output];
    if (!in && (node->op->cpu.sums >> output & 1u)) {
        return SUM;
    }
    if (!v || (in && (i >= 32 || !(node->op->cpu.sliced >> i & 1u)))) {
        return WHOLE;
    }
    return plan->in_scratch[v->id] ? SCRATCH : SLICE;
}

/* The thread's copies of the nodes' runs and operands. The first chunk's sums are the outputs
 * themselves, the others' lie one after the other in their partial. */
static void bind_chunk(const stream *st, int64_t chunk, weld_run *runs, unsigned char *scratch) {
    const weld_session *s = st->session;
    const weld_plan *plan = s->plan;
    const weld_step *step = st->step;
    unsigned char *partial = NULL;
    if (chunk > 0 && step->partial_bytes) {
        partial = s->arena + step->partials + (size_t)(chunk - 1) * step->partial_bytes;
    }
    for (size_t at = step->begin; at < step->end; at++) {
        const weld_node *node = plan->order[at];
        weld_run *run = &runs[at - step->begin];
        const size_t workspace = plan->workspaces[at];
        run->threads = 1;
        run->accumulate = node->op->cpu.sums != 0;
        run->workspace = workspace == SIZE_MAX ? NULL : scratch + workspace;
        run->step = st->number;
        for (int j = 0; j < node->output_count; j++) {
            weld_tensor *t = (weld_tensor *)&run->out[j];
            if (!(node->op->cpu.sums >> j & 1u)) {
                continue;
            }
            const size_t bytes = weld_sum_bytes(t);
            if (partial) {
                t->data = partial;
                partial += bytes;
            }
            memset(t->data, 0, (size_t)weld_shape_count(&t->shape) * weld_dtype_size(t->dtype));
        }
    }
}

static void bind_slice(const stream *st, int64_t begin, int64_t units, weld_run *runs,
                       unsigned char *scratch) {
    const weld_session *s = st->session;
    const weld_plan *plan = s->plan;
    const weld_step *step = st->step;
    for (size_t at = step->begin; at < step->end; at++) {
        const weld_node *node = plan->order[at];
        const weld_run *whole = &s->runs[at];
        weld_run *run = &runs[at - step->begin];
        for (int i = 0; i < node->input_count + node->output_count; i++) {
            const operand_kind kind = kind_of(plan, node, i);
            const bool in = i < node->input_count;
            const int j = in ? i : i - node->input_count;
            const weld_tensor *from = in ? &whole->in[j] : &whole->out[j];
            weld_tensor *t = (weld_tensor *)(in ? &run->in[j] : &run->out[j]);
            if (kind == WHOLE || kind == SUM) {
                continue;
            }
            t->shape = weld_slice_shape(step->slicing, from, units);
            if (kind == SLICE) {
                t->data = (unsigned char *)from->data +
                          (size_t)begin * weld_slice_unit_bytes(step->slicing, from);
            } else {
                const weld_value *v = in ? node->inputs[j] : node->outputs[j];
                t->data = scratch + plan->offsets[v->id];
            }
        }
    }
}

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
    unsigned char *scratch = s->arena + s->scratch + (size_t)thread * s->plan->scratch_bytes;
    weld_run *runs = s->thread_runs + (size_t)thread * s->thread_run_count;
    weld_tensor *operands = s->thread_operands + (size_t)thread * s->thread_operand_count;
    for (size_t at = step->begin; at < step->end; at++) {
        const weld_run *whole = &s->runs[at];
        const int inputs = whole->node->input_count, outputs = whole->node->output_count;
        weld_run *run = &runs[at - step->begin];
        *run = *whole;
        run->in = operands;
        run->out = operands + inputs;
        memcpy(operands, whole->in, (size_t)inputs * sizeof *operands);
        memcpy(operands + inputs, whole->out, (size_t)outputs * sizeof *operands);
        operands += inputs + outputs;
    }
    bind_chunk(st, chunk, runs, scratch);
    const int64_t first = weld_part_begin(step->units, step->chunks, chunk);
    const int64_t count = weld_part_begin(step->units, step->chunks, chunk + 1) - first;
    const int64_t slices = (count + step->slice - 1) / step->slice;
    for (int64_t i = 0; i < slices; i++) {
        const int64_t begin = weld_part_begin(count, slices, i);
        const int64_t end = weld_part_begin(count, slices, i + 1);
        bind_slice(st, first + begin, end - begin, runs, scratch);
        run_slice(st, runs, thread);
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
        const unsigned char *part = s->arena + step->partials +
                                    (size_t)(chunk - 1) * step->partial_bytes + a->offset +
                                    (size_t)begin * size;
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
            if (node->op->cpu.sums >> j & 1u) {
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
