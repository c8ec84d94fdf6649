/* Running a trial in guarded memory; see check.h.
 *
 * Each array lies in a mapping of its own between two pages that may not be touched, right against
 * one of them, and everything around it is filled with NaN: a stray write is seen by comparing
 * afterwards, a stray read gives NaN or faults. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

enum { MARGIN = 256, CAPACITY = 32 << 20 };

/* For the message should the kernel fault. */
static const trial *current;
static const char *current_table;

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        _exit(EXIT_FAILURE);
    }
}

static void on_fault(int signal_number) {
    (void)signal_number;
    say("checkkernels: ");
    say(current ? current_table : "");
    say(" ");
    say(current ? current->kernel : "");
    say(": touches memory outside of its arrays (or misaligned): ");
    say(current ? current->shape : "");
    say("\n");
    _exit(EXIT_FAILURE);
}

static char *slot(int number) {
    static char *slots[SLOTS];
    if (!slots[0]) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        for (int i = 0; i < SLOTS; i++) {
            char *p = mmap(NULL, CAPACITY + 2 * page, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (p == MAP_FAILED || mprotect(p + page, CAPACITY, PROT_READ | PROT_WRITE) != 0) {
                perror("checkkernels: mmap");
                exit(EXIT_FAILURE);
            }
            slots[i] = p + page;
        }
        signal(SIGSEGV, on_fault);
        signal(SIGBUS, on_fault);
    }
    return slots[number];
}

/* The poisoned stretch in which an array lies: the array and its margins. */
typedef struct stretch {
    char *base, *data;
    size_t size, bytes;
} stretch;

static stretch place(int number, size_t bytes, bool at_end, int64_t offset) {
    char *base = slot(number);
    if (bytes + 2 * MARGIN > CAPACITY) {
        fprintf(stderr, "checkkernels: %zu bytes are more than a slot has\n", bytes);
        exit(EXIT_FAILURE);
    }
    stretch s = {.bytes = bytes};
    if (at_end) {
        s.data = base + CAPACITY - bytes;
        s.base = s.data - MARGIN;
    } else {
        s.data = base + offset;
        s.base = base;
    }
    s.size = bytes + MARGIN + (at_end ? 0 : (size_t)offset);
    memset(s.base, 0xFF, s.size); /* all ones is a NaN, in float and in double */
    return s;
}

static stretch scratch_place;
static bool scratch_at_end;

void *scratch(size_t bytes) {
    scratch_place = place(SCRATCH, bytes, scratch_at_end, 0);
    return scratch_place.data;
}

size_t element_size(const array *a, weld_dtype dtype) {
    switch (a->kind) {
    case SUM:
        return sizeof(double);
    case ACTIVATION:
        return weld_dtype_size(dtype);
    case CODE:
    case WEIGHT:
        return 1;
    case INTEGER:
        return sizeof(int32_t);
    default:
        return weld_dtype_size(weld_parameter_dtype(dtype));
    }
}

static double integer(kind type, const char *data, int64_t i) {
    if (type == INTEGER) {
        int32_t value;
        memcpy(&value, data + (size_t)i * sizeof value, sizeof value);
        return value;
    }
    return type == CODE ? (double)(uint8_t)data[i] : (double)(int8_t)data[i];
}

static void set_integer(kind type, char *data, int64_t i, double value) {
    if (type == INTEGER) {
        const int32_t whole = (int32_t)value;
        memcpy(data + (size_t)i * sizeof whole, &whole, sizeof whole);
    } else {
        data[i] = (char)(int)value;
    }
}

static double element(const array *a, const char *data, size_t size, int64_t i) {
    if (a->kind >= CODE) {
        return integer(a->kind, data, i);
    }
    if (size == sizeof(double)) {
        double value;
        memcpy(&value, data + (size_t)i * size, size);
        return value;
    }
    float value = 0;
    if (size == sizeof value) {
        memcpy(&value, data + (size_t)i * size, size);
    } else {
        weld_kernels_ref_bf16()->to_f32(1, data + (size_t)i * size, &value);
    }
    return value;
}

static void set_element(const array *a, char *data, size_t size, int64_t i, double value) {
    const float single = (float)value;
    if (a->kind >= CODE) {
        set_integer(a->kind, data, i, value);
    } else if (size == sizeof(bfloat)) {
        weld_kernels_ref_bf16()->from_f32(1, &single, data + (size_t)i * size);
    } else {
        memcpy(data + (size_t)i * size, size == sizeof value ? (const void *)&value : &single,
               size);
    }
}

static stretch place_array(const array *a, int number, const weld_kernels *k, bool at_end,
                           int64_t offset) {
    const size_t size = element_size(a, k->dtype);
    const stretch s = place(number, (size_t)array_span(a) * size, at_end, offset * (int64_t)size);
    for (int64_t r = 0; a->role != OUTPUT && r < a->rows; r++) {
        for (int64_t j = 0; j < a->width; j++) {
            set_element(a, s.data, size, r * a->stride + j, a->value[r * a->stride + j]);
        }
    }
    return s;
}

static void place_all(const trial *t, const weld_kernels *k, bool at_end, int64_t offset, void **p,
                      stretch *places) {
    for (int i = 0; i < t->arrays; i++) {
        places[i] = place_array(&t->array[i], i, k, at_end, offset);
    }
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        p[i] = a->absent ? NULL : places[a->alias < 0 ? i : a->alias].data;
    }
    scratch_at_end = at_end;
}

void place_trial(const trial *t, const weld_kernels *k, bool at_end, int64_t offset, void **p) {
    stretch places[MAX_ARRAYS];
    place_all(t, k, at_end, offset, p, places);
}

void expect_as_run(trial *t, const weld_kernels *k) {
    void *p[MAX_ARRAYS] = {0};
    place_trial(t, k, true, 0, p);
    t->call(k, p, t);
    for (int i = 0; i < t->arrays; i++) {
        const array *a = &t->array[i];
        for (int64_t j = 0; p[i] && j < array_span(a); j++) {
            a->expect[j] = element(a, p[i], element_size(a, k->dtype), j);
            a->bound[j] = 0;
        }
    }
}

static bool complain(const trial *t, const weld_kernels *k, const array *a, const char *what) {
    printf("FAIL %s %s: %s %s\n     %s\n", k->name, t->kernel, a->name, what, t->shape);
    return false;
}

/* Whether element `i` of the array's span is one that the kernel was to write. */
static bool is_written(const array *a, int64_t i) {
    const int64_t row = i / a->stride;
    return a->role != INPUT && i % a->stride < a->width && row >= a->begin && row < a->end;
}

/* All bytes of the stretch that the kernel was not to write are as they were. */
static bool only_named_written(const array *a, const array *writer, size_t size, const char *before,
                               const stretch *after) {
    const size_t lead = (size_t)(after->data - after->base);
    const size_t tail = lead + after->bytes;
    if (memcmp(before, after->base, lead) != 0 ||
        memcmp(before + tail, after->base + tail, after->size - tail) != 0) {
        return false;
    }
    for (int64_t i = 0; i < array_span(a); i++) {
        const size_t at = lead + (size_t)i * size;
        if (!is_written(writer, i) && memcmp(before + at, after->base + at, size) != 0) {
            return false;
        }
    }
    return true;
}

static bool compare(const trial *t, const weld_kernels *k, const array *a, const char *data,
                    double *worst) {
    const size_t size = element_size(a, k->dtype);
    for (int64_t i = a->begin * a->stride; i < array_span(a); i++) {
        if (!is_written(a, i)) {
            continue;
        }
        const double got = element(a, data, size, i), expect = a->expect[i], bound = a->bound[i];
        const double error = fabs(got - expect);
        if (!(got == expect || error <= bound)) {
            char what[200];
            snprintf(what, sizeof what,
                     "[row %lld, %lld] is %.9g, should be %.9g within %.3g; error %.3g",
                     (long long)(i / a->stride), (long long)(i % a->stride), got, expect, bound,
                     error);
            return complain(t, k, a, what);
        }
        if (error > *worst * bound) {
            *worst = error / bound;
        }
    }
    return true;
}

/* One run; `results` receives each array's bytes. */
static bool run_once(const trial *t, const weld_kernels *k, bool at_end, int64_t offset,
                     double *worst, char *results[MAX_ARRAYS]) {
    void *p[MAX_ARRAYS] = {0};
    stretch places[MAX_ARRAYS];
    char *before[MAX_ARRAYS] = {0};
    place_all(t, k, at_end, offset, p, places);
    for (int i = 0; i < t->arrays; i++) {
        before[i] = malloc(places[i].size);
        results[i] = malloc(places[i].bytes + 1);
        if (!before[i] || !results[i]) {
            fprintf(stderr, "checkkernels: out of memory\n");
            exit(EXIT_FAILURE);
        }
        memcpy(before[i], places[i].base, places[i].size);
    }
    current = t;
    current_table = k->name;
    t->call(k, p, t);
    current = NULL;

    bool good = true;
    for (int i = 0; good && i < t->arrays; i++) {
        const array *a = &t->array[i], *writer = a;
        const stretch *s = &places[a->alias < 0 ? i : a->alias];
        for (int j = 0; j < t->arrays; j++) {
            writer = t->array[j].alias == i ? &t->array[j] : writer;
        }
        if (!only_named_written(a, writer, element_size(a, k->dtype), before[i], &places[i])) {
            good = complain(t, k, a, "is written where it must not be");
        } else if (a->role != INPUT && !a->absent) {
            good = compare(t, k, a, s->data, worst);
        }
        memcpy(results[i], s->data, places[i].bytes);
    }
    for (int i = 0; i < t->arrays; i++) {
        free(before[i]);
    }
    return good;
}

bool run_trial(trial *t, const weld_kernels *k, weld_random *r, double *worst) {
    char *at_end[MAX_ARRAYS] = {0}, *elsewhere[MAX_ARRAYS] = {0};
    bool good = run_once(t, k, true, 0, worst, at_end) &&
                run_once(t, k, false, draw_between(r, 0, 17), worst, elsewhere);
    for (int i = 0; good && i < t->arrays; i++) {
        const array *a = &t->array[i];
        if (memcmp(at_end[i], elsewhere[i], (size_t)array_span(a) * element_size(a, k->dtype)) !=
            0) {
            good = complain(t, k, a, "has other bits when the arrays lie elsewhere in memory");
        }
    }
    for (int i = 0; i < t->arrays; i++) {
        free(at_end[i]);
        free(elsewhere[i]);
    }
    return good;
}
