/* What operators make of constant weights before they run (weld_op.prepare), kept so that it is
 * made once for all sessions over the same weights. */
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"

enum { MOST_INPUTS = 4 };

/* One prepared form, and all that it depends on. */
typedef struct form {
    const weld_op *op;
    const weld_kernels *kernels;
    const weld_int8_kernels *int8;
    weld_attributes attributes;
    weld_tensor inputs[MOST_INPUTS]; /* those that are prepared from; the others are zero */
    size_t bytes;
    void *data;
    bool reserved; /* data lie in the piece that was reserved */
} form;

struct weld_prepared {
    pthread_mutex_t lock; /* held while forms are made: who wants the same waits for them */
    int users;
    form *forms;
    size_t count, capacity;
    unsigned char *piece; /* that was reserved; NULL: none */
    size_t piece_bytes, piece_used;
};

bool weld_node_prepares_constants(const weld_node *node) {
    for (int i = 0; i < node->input_count && i < MOST_INPUTS; i++) {
        const weld_value *v = weld_viewed(node->inputs[i]);
        if ((node->op->cpu.prepares >> i & 1u) && v && v->kind != WELD_VALUE_PARAMETER) {
            return false;
        }
    }
    return node->op->cpu.prepared != NULL;
}

weld_status weld_prepared_create(weld_prepared **out, weld_error *err) {
    *out = weld_alloc(1, sizeof **out);
    if (!*out) {
        return weld_fail_memory(err, "prepared weights");
    }
    (*out)->users = 1;
    pthread_mutex_init(&(*out)->lock, NULL);
    return WELD_OK;
}

weld_prepared *weld_prepared_retain(weld_prepared *p) {
    pthread_mutex_lock(&p->lock);
    p->users++;
    pthread_mutex_unlock(&p->lock);
    return p;
}

void weld_prepared_release(weld_prepared *p) {
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    bool last = --p->users == 0;
    pthread_mutex_unlock(&p->lock);
    if (!last) {
        return;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (!p->forms[i].reserved) {
            weld_free(p->forms[i].data);
        }
    }
    weld_free(p->piece);
    weld_free(p->forms);
    pthread_mutex_destroy(&p->lock);
    weld_free(p);
}

weld_status weld_prepared_reserve(weld_prepared *p, size_t bytes, weld_error *err) {
    pthread_mutex_lock(&p->lock);
    const bool wanted = bytes && !p->piece && p->count == 0;
    if (wanted) {
        p->piece = weld_alloc_raw(bytes, 1);
        p->piece_bytes = p->piece ? bytes : 0;
    }
    const bool failed = wanted && !p->piece;
    pthread_mutex_unlock(&p->lock);
    return failed ? weld_fail_memory(err, "prepared weights") : WELD_OK;
}

static void take_memory(weld_prepared *p, form *f) {
    const size_t bytes = weld_round_up(f->bytes, WELD_ALIGNMENT);
    f->reserved = bytes <= p->piece_bytes - p->piece_used;
    if (f->reserved) {
        f->data = p->piece + p->piece_used;
        p->piece_used += bytes;
    } else {
        f->data = weld_alloc_raw(f->bytes, 1);
    }
}

/* How much of a field matters: shapes may name the batch, and no prepared form depends on it. */
static size_t compared_bytes(weld_field_type type) {
    switch (type) {
    case WELD_FIELD_INT:
        return sizeof(int);
    case WELD_FIELD_INT2:
        return 2 * sizeof(int);
    case WELD_FIELD_INT64:
        return sizeof(int64_t);
    case WELD_FIELD_DOUBLE:
        return sizeof(double);
    case WELD_FIELD_BOOL:
        return sizeof(bool);
    case WELD_FIELD_DTYPE:
        return sizeof(weld_dtype);
    case WELD_FIELD_CODES:
        return WELD_MAX_CODES * sizeof(weld_codes);
    case WELD_FIELD_SHAPE:
        break;
    }
    return 0;
}

static bool equal_attributes(const weld_attributes *a, const weld_attributes *b) {
    for (size_t i = 0; i < weld_attribute_field_count; i++) {
        const weld_attribute_field *f = &weld_attribute_fields[i];
        size_t bytes = compared_bytes(f->type);
        if (memcmp((const char *)a + f->offset, (const char *)b + f->offset, bytes) != 0) {
            return false;
        }
    }
    return true;
}

static form form_of(const weld_run *run, size_t bytes) {
    form f = {.op = run->node->op,
              .kernels = run->kernels,
              .int8 = run->int8,
              .attributes = run->node->attributes,
              .bytes = bytes};
    for (int i = 0; i < run->node->input_count && i < MOST_INPUTS; i++) {
        if (f.op->cpu.prepares >> i & 1u) {
            f.inputs[i] = run->in[i];
        }
    }
    return f;
}

static bool equal_forms(const form *a, const form *b) {
    bool equal = a->op == b->op && a->kernels == b->kernels && a->int8 == b->int8 &&
                 a->bytes == b->bytes && equal_attributes(&a->attributes, &b->attributes);
    for (int i = 0; i < MOST_INPUTS && equal; i++) {
        equal = a->inputs[i].data == b->inputs[i].data &&
                a->inputs[i].dtype == b->inputs[i].dtype &&
                weld_shape_equal(&a->inputs[i].shape, &b->inputs[i].shape);
    }
    return equal;
}

static const form *find(const weld_prepared *p, const form *wanted) {
    for (size_t i = 0; i < p->count; i++) {
        if (equal_forms(&p->forms[i], wanted)) {
            return &p->forms[i];
        }
    }
    return NULL;
}

/* Room for a form at the end; false where memory is short. */
static bool add(weld_prepared *p, const form *wanted) {
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        form *grown = weld_grow(p->forms, p->count, capacity, sizeof *grown);
        if (!grown) {
            return false;
        }
        p->forms = grown;
        p->capacity = capacity;
    }
    form *f = &p->forms[p->count];
    *f = *wanted;
    take_memory(p, f);
    p->count += f->data != NULL;
    return f->data != NULL;
}

/* Back to what was there before. */
static void remove_from(weld_prepared *p, size_t count, size_t piece_used) {
    while (p->count > count) {
        const form *f = &p->forms[--p->count];
        weld_free(f->reserved ? NULL : f->data);
    }
    p->piece_used = piece_used;
}

/* Forms that are being made, and who makes each. */
typedef struct making {
    const form *forms;
    weld_run **runs;
} making;

static void make_form(void *arg, int64_t i, int thread) {
    (void)thread;
    const making *m = arg;
    m->runs[i]->node->op->cpu.prepare(m->runs[i], m->forms[i].data);
}

/* The forms of all, with their places in *data; what is new has room alone, and its runs are put
 * into `makers`. */
static bool find_all(weld_prepared *p, weld_run *const *runs, const size_t *bytes, size_t count,
                     weld_run **makers, void **data) {
    const size_t before = p->count;
    for (size_t i = 0; i < count; i++) {
        const form wanted = form_of(runs[i], bytes[i]);
        const form *found = find(p, &wanted);
        if (!found) {
            if (!add(p, &wanted)) {
                return false;
            }
            found = &p->forms[p->count - 1];
            makers[p->count - 1 - before] = runs[i];
        }
        data[i] = found->data;
    }
    return true;
}

weld_status weld_prepared_find(weld_prepared *p, weld_run *const *runs, const size_t *bytes,
                               size_t count, int threads, weld_error *err) {
    weld_run **makers = weld_alloc(count, sizeof(weld_run *));
    void **data = weld_alloc(count, sizeof *data);
    pthread_mutex_lock(&p->lock);
    const size_t before = p->count, used = p->piece_used;
    const bool found = makers && data && find_all(p, runs, bytes, count, makers, data);
    if (found) {
        making m = {p->forms + before, makers};
        weld_parallel(threads, (int64_t)(p->count - before), make_form, &m);
        for (size_t i = 0; i < count; i++) {
            runs[i]->prepared = data[i];
        }
    } else {
        remove_from(p, before, used);
    }
    pthread_mutex_unlock(&p->lock);
    weld_free(makers);
    weld_free(data);
    return found ? WELD_OK : weld_fail_memory(err, "prepared weights");
}
