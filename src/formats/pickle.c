/* The stack machine that reads a pickle; see pickle.h. */
#include "formats/pickle.h"

#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/pickle_opcodes.h"
#include "formats/pickle_values.h"

/* Far above what checkpoints have (a few values for each tensor), and low enough that a pickle of
 * nothing but one-byte opcodes stays below half a gigabyte. */
enum { MAX_ENTRIES = 1 << 22, SMALL_INTS = 256 };

typedef struct machine {
    weld_pickle *p;
    const char *where;
    weld_error *err;
    weld_status status;
    size_t size, at, opcode_at;
    weld_array stack; /* weld_pickle_ref */
    weld_array marks; /* uint32_t: heights of the stack */
    weld_array memo;  /* weld_pickle_ref + 1; 0: not set */
} machine;

/* --- Errors, memory, bytes. After the first error all of these do nothing harmful. ------------ */

static void fail(machine *m, const char *reason) {
    if (m->status == WELD_OK) {
        m->status = weld_fail(m->err, WELD_ERROR_FORMAT, "%s: byte %zu: %s", m->where, m->opcode_at,
                              reason);
    }
}

static void append(machine *m, weld_array *a, const void *element) {
    if (m->status != WELD_OK) {
        return;
    }
    if (a->count >= MAX_ENTRIES) {
        fail(m, "more values than a checkpoint has: the file is damaged");
    } else if (!weld_array_append(a, element, 1)) {
        m->status = weld_fail_memory(m->err, m->where);
    }
}

/* Step over `count` bytes and return where they begin; 0 where they are not there. */
static size_t skip(machine *m, uint64_t count) {
    size_t begin = m->at;
    if (m->status != WELD_OK || count > m->size - m->at) {
        fail(m, "ends in the middle of a value: the file is cut or damaged");
        return 0;
    }
    m->at += (size_t)count;
    return begin;
}

static uint64_t take_number(machine *m, size_t bytes) {
    size_t begin = skip(m, bytes);
    uint64_t value = 0;
    for (size_t i = 0; m->status == WELD_OK && i < bytes; i++) {
        value |= (uint64_t)m->p->bytes[begin + i] << (8 * i);
    }
    return value;
}

/* --- Values. ---------------------------------------------------------------------------------- */

static weld_pickle_ref add(machine *m, const weld_pickle_cell *cell) {
    size_t v = m->p->cells.count;
    append(m, &m->p->cells, cell);
    return m->status == WELD_OK ? (weld_pickle_ref)v : WELD_PICKLE_NOTHING;
}

static void push(machine *m, weld_pickle_ref v) {
    append(m, &m->stack, &v);
}

static void push_new(machine *m, const weld_pickle_cell *cell) {
    push(m, add(m, cell));
}

/* Small ones are made once: shapes and strides are full of them. */
static void push_int(machine *m, int64_t value) {
    if (value >= 0 && value < SMALL_INTS) {
        push(m, (weld_pickle_ref)value + 1);
    } else {
        push_new(m, &(weld_pickle_cell){.kind = WELD_PICKLE_INT, .integer = value});
    }
}

/* An integer of any length, two's complement. */
static void push_long(machine *m, uint64_t bytes) {
    if (bytes > sizeof(int64_t)) {
        skip(m, bytes);
        push(m, WELD_PICKLE_NOTHING);
        return;
    }
    uint64_t value = take_number(m, (size_t)bytes);
    if (bytes > 0 && bytes < 8 && value >> (8 * bytes - 1)) {
        value |= ~UINT64_C(0) << (8 * bytes);
    }
    push_int(m, (int64_t)value);
}

static weld_pickle_ref add_text(machine *m, size_t begin, size_t length) {
    return add(m, &(weld_pickle_cell){.kind = WELD_PICKLE_TEXT,
                                      .text = {(uint32_t)begin, (uint32_t)length}});
}

static void push_text(machine *m, uint64_t length) {
    size_t begin = skip(m, length);
    push(m, add_text(m, begin, (size_t)length));
}

static void push_other(machine *m, uint64_t bytes_to_skip) {
    skip(m, bytes_to_skip);
    push(m, WELD_PICKLE_NOTHING);
}

static void push_dict(machine *m) {
    push_new(m, &(weld_pickle_cell){.kind = WELD_PICKLE_DICT});
}

static void push_global(machine *m, weld_pickle_ref module, weld_pickle_ref name) {
    push_new(m, &(weld_pickle_cell){.kind = WELD_PICKLE_GLOBAL, .global = {module, name}});
}

/* A line of text, without its end. */
static weld_pickle_ref take_line(machine *m) {
    size_t begin = m->at;
    const unsigned char *line = m->p->bytes + begin, *end = memchr(line, '\n', m->size - begin);
    size_t length = end ? (size_t)(end - line) : m->size - begin;
    skip(m, (uint64_t)length + 1);
    return add_text(m, begin, length);
}

/* --- The stack. ------------------------------------------------------------------------------- */

static uint32_t mark_height(const machine *m) {
    return m->marks.count ? ((const uint32_t *)m->marks.data)[m->marks.count - 1] : 0;
}

/* The last `count` values, which must lie above the last mark; NULL where they are not there. */
static const weld_pickle_ref *top(machine *m, size_t count) {
    if (m->status != WELD_OK || m->stack.count - mark_height(m) < count) {
        fail(m, "takes more values than there are: the file is damaged");
        return NULL;
    }
    return (const weld_pickle_ref *)m->stack.data + (m->stack.count - count);
}

static weld_pickle_ref pop(machine *m) {
    const weld_pickle_ref *v = top(m, 1);
    if (!v) {
        return WELD_PICKLE_NOTHING;
    }
    m->stack.count--;
    return *v;
}

/* Takes the values above the last mark, and the mark. They stay where they are until the next push;
 * there may be none. False on an error. */
static bool pop_to_mark(machine *m, const weld_pickle_ref **values, size_t *count) {
    if (m->status != WELD_OK || m->marks.count == 0) {
        fail(m, "takes a mark that is not there: the file is damaged");
        return false;
    }
    uint32_t height = mark_height(m);
    m->marks.count--;
    *count = m->stack.count - height;
    *values = *count ? (const weld_pickle_ref *)m->stack.data + height : NULL;
    m->stack.count = height;
    return true;
}

static void tuple_of(machine *m, const weld_pickle_ref *values, size_t count) {
    weld_pickle_cell cell = {.kind = WELD_PICKLE_TUPLE,
                             .tuple = {(uint32_t)m->p->elements.count, (uint32_t)count}};
    for (size_t i = 0; i < count && m->status == WELD_OK; i++) {
        append(m, &m->p->elements, &values[i]);
    }
    push_new(m, &cell);
}

static void tuple_of_last(machine *m, size_t count) {
    const weld_pickle_ref *values = top(m, count);
    if (values) {
        m->stack.count -= count;
        tuple_of(m, values, count);
    }
}

static void tuple_to_mark(machine *m) {
    const weld_pickle_ref *values;
    size_t count;
    if (pop_to_mark(m, &values, &count)) {
        tuple_of(m, values, count);
    }
}

/* `count` keys and values in turn into the dict or object on top. */
static void set_items(machine *m, const weld_pickle_ref *pairs, size_t count) {
    const weld_pickle_ref *target = top(m, 1);
    if (!target) {
        return;
    }
    weld_pickle_kind kind = weld_pickle_kind_of(m->p, *target);
    if (count % 2 || (kind != WELD_PICKLE_DICT && kind != WELD_PICKLE_OBJECT)) {
        fail(m, "sets items of what has none: the file is damaged");
        return;
    }
    weld_pickle_cell *cell = weld_pickle_cell_at(m->p, *target);
    for (size_t i = 0; i < count; i += 2) {
        weld_pickle_item item = {pairs[i], pairs[i + 1], 0};
        uint32_t at = (uint32_t)m->p->items.count;
        append(m, &m->p->items, &item);
        if (m->status != WELD_OK) {
            return;
        }
        if (cell->object.last) {
            weld_pickle_item_at(m->p, cell->object.last)->next = at;
        } else {
            cell->object.first = at;
        }
        cell->object.last = at;
    }
}

static void set_item(machine *m) {
    const weld_pickle_ref *pair = top(m, 2);
    if (pair) {
        m->stack.count -= 2;
        set_items(m, pair, 2);
    }
}

static void set_items_to_mark(machine *m) {
    const weld_pickle_ref *pairs;
    size_t count;
    if (pop_to_mark(m, &pairs, &count)) {
        set_items(m, pairs, count);
    }
}

static void drop_to_mark(machine *m) {
    const weld_pickle_ref *values;
    size_t count;
    pop_to_mark(m, &values, &count);
}

static void call(machine *m) {
    weld_pickle_ref arguments = pop(m), class = pop(m);
    push_new(m, &(weld_pickle_cell){.kind = WELD_PICKLE_OBJECT,
                                    .object = {.class = class, .arguments = arguments}});
}

static void discard(machine *m) {
    if (m->marks.count && mark_height(m) == m->stack.count) {
        m->marks.count--;
    } else {
        pop(m);
    }
}

static void mark(machine *m) {
    uint32_t height = (uint32_t)m->stack.count;
    append(m, &m->marks, &height);
}

static void duplicate(machine *m) {
    const weld_pickle_ref *v = top(m, 1);
    if (v) {
        push(m, *v);
    }
}

/* --- The memo. -------------------------------------------------------------------------------- */

static void remember(machine *m, uint64_t index) {
    const weld_pickle_ref *v = top(m, 1), none = 0;
    /* Writers number from 0 or 1 without gaps; a few are let pass, millions are an attack. */
    if (v && index > m->memo.count + 64) {
        fail(m, "remembers a value out of order: the file is damaged");
    }
    while (m->status == WELD_OK && m->memo.count <= index) {
        append(m, &m->memo, &none);
    }
    if (m->status == WELD_OK) {
        ((weld_pickle_ref *)m->memo.data)[index] = *v + 1;
    }
}

static void recall(machine *m, uint64_t index) {
    weld_pickle_ref stored = m->status == WELD_OK && index < m->memo.count
                                 ? ((weld_pickle_ref *)m->memo.data)[index]
                                 : 0;
    if (stored) {
        push(m, stored - 1);
    } else {
        fail(m, "recalls a value that was never remembered: the file is damaged");
    }
}

/* --- Opcodes. --------------------------------------------------------------------------------- */

static void check_protocol(machine *m) {
    uint64_t protocol = take_number(m, 1);
    if (m->status == WELD_OK && (protocol < 2 || protocol > 5)) {
        fail(m, "a protocol that is none of 2 to 5: save it with protocol 2");
    }
}

/* Constants, numbers and texts; false where the opcode is none of these. */
static bool run_constant(machine *m, int opcode) {
    switch (opcode) {
    case NONE:
    case NEWTRUE:
    case NEWFALSE:
    case EMPTY_LIST:
    case EMPTY_SET:
        push_other(m, 0);
        return true;
    case BINFLOAT:
        push_other(m, 8);
        return true;
    case SHORT_BINBYTES:
        push_other(m, take_number(m, 1));
        return true;
    case BINBYTES:
        push_other(m, take_number(m, 4));
        return true;
    case BINBYTES8:
    case BYTEARRAY8:
        push_other(m, take_number(m, 8));
        return true;
    case BININT:
        push_int(m, (int32_t)take_number(m, 4));
        return true;
    case BININT1:
        push_int(m, (int64_t)take_number(m, 1));
        return true;
    case BININT2:
        push_int(m, (int64_t)take_number(m, 2));
        return true;
    case LONG1:
        push_long(m, take_number(m, 1));
        return true;
    case LONG4:
        push_long(m, take_number(m, 4));
        return true;
    case SHORT_BINSTRING:
    case SHORT_BINUNICODE:
        push_text(m, take_number(m, 1));
        return true;
    case BINSTRING:
    case BINUNICODE:
        push_text(m, take_number(m, 4));
        return true;
    case BINUNICODE8:
        push_text(m, take_number(m, 8));
        return true;
    case EMPTY_TUPLE:
        tuple_of(m, NULL, 0);
        return true;
    case EMPTY_DICT:
        push_dict(m);
        return true;
    default:
        return false;
    }
}

/* What moves values about; false where the opcode does not. */
static bool run_stack(machine *m, int opcode) {
    switch (opcode) {
    case PROTO:
        check_protocol(m);
        return true;
    case FRAME: /* a length, for those who read in pieces */
        take_number(m, 8);
        return true;
    case MARK:
        mark(m);
        return true;
    case POP:
        discard(m);
        return true;
    case POP_MARK:
        drop_to_mark(m);
        return true;
    case DUP:
        duplicate(m);
        return true;
    case BINPUT:
        remember(m, take_number(m, 1));
        return true;
    case LONG_BINPUT:
        remember(m, take_number(m, 4));
        return true;
    case MEMOIZE:
        remember(m, m->memo.count);
        return true;
    case BINGET:
        recall(m, take_number(m, 1));
        return true;
    case LONG_BINGET:
        recall(m, take_number(m, 4));
        return true;
    default:
        return false;
    }
}

/* What makes values of others; false where the opcode does not. */
static bool run_build(machine *m, int opcode) {
    weld_pickle_ref v, w;
    switch (opcode) {
    case TUPLE1:
    case TUPLE2:
    case TUPLE3:
        tuple_of_last(m, (size_t)(opcode - TUPLE1) + 1);
        return true;
    case TUPLE:
        tuple_to_mark(m);
        return true;
    case SETITEM:
        set_item(m);
        return true;
    case SETITEMS:
        set_items_to_mark(m);
        return true;
    case APPEND: /* what goes into lists, sets and the state of objects is not kept */
    case BUILD:
        pop(m);
        top(m, 1);
        return true;
    case APPENDS:
    case ADDITEMS:
        drop_to_mark(m);
        top(m, 1);
        return true;
    case FROZENSET:
        drop_to_mark(m);
        push_other(m, 0);
        return true;
    case GLOBAL:
        v = take_line(m);
        w = take_line(m);
        push_global(m, v, w);
        return true;
    case STACK_GLOBAL:
        w = pop(m);
        v = pop(m);
        push_global(m, v, w);
        return true;
    case NEWOBJ_EX: /* by keywords, which are dropped */
        pop(m);
        call(m);
        return true;
    case REDUCE:
    case NEWOBJ:
        call(m);
        return true;
    case BINPERSID:
        v = pop(m);
        push_new(m, &(weld_pickle_cell){.kind = WELD_PICKLE_PERSISTENT, .id = v});
        return true;
    default:
        return false;
    }
}

static void run(machine *m) {
    for (int i = 0; i < SMALL_INTS + 1; i++) { /* NOTHING, then the small integers */
        add(m,
            &(weld_pickle_cell){.kind = i ? WELD_PICKLE_INT : WELD_PICKLE_OTHER, .integer = i - 1});
    }
    append(m, &m->p->items, &(weld_pickle_item){0});
    while (m->status == WELD_OK) {
        m->opcode_at = m->at;
        int opcode = (int)take_number(m, 1);
        if (m->status == WELD_OK && opcode == STOP) {
            m->p->root = pop(m);
            return;
        }
        if (m->status == WELD_OK && !run_constant(m, opcode) && !run_stack(m, opcode) &&
            !run_build(m, opcode)) {
            fail(m, "an opcode that checkpoints do not use: save it with protocol 2");
        }
    }
}

weld_status weld_pickle_read(const void *bytes, size_t size, const char *where, weld_pickle **out,
                             weld_error *err) {
    if (size > UINT32_MAX) {
        return weld_fail(err, WELD_ERROR_FORMAT, "%s: %zu bytes: longer than a checkpoint's", where,
                         size);
    }
    weld_pickle *p = weld_alloc(1, sizeof *p);
    if (!p) {
        return weld_fail_memory(err, where);
    }
    *p = (weld_pickle){.bytes = bytes,
                       .cells = {.element = sizeof(weld_pickle_cell)},
                       .elements = {.element = sizeof(weld_pickle_ref)},
                       .items = {.element = sizeof(weld_pickle_item)}};
    machine m = {.p = p,
                 .where = where,
                 .err = err,
                 .size = size,
                 .stack = {.element = sizeof(weld_pickle_ref)},
                 .marks = {.element = sizeof(uint32_t)},
                 .memo = {.element = sizeof(weld_pickle_ref)}};
    run(&m);
    weld_array_free(&m.stack);
    weld_array_free(&m.marks);
    weld_array_free(&m.memo);
    if (m.status != WELD_OK) {
        weld_pickle_free(p);
        return m.status;
    }
    *out = p;
    return WELD_OK;
}
