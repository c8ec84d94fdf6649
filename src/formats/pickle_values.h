/* How the values of a pickle are stored: for pickle.c, which builds them, and pickle_values.c. */
#ifndef WELD_FORMATS_PICKLE_VALUES_H
#define WELD_FORMATS_PICKLE_VALUES_H

#include "base/array.h"
#include "formats/pickle.h"

typedef struct weld_pickle_cell {
    weld_pickle_kind kind;
    union {
        int64_t integer;
        struct {
            uint32_t begin, length; /* in the pickle's bytes */
        } text;
        struct {
            uint32_t first, count; /* in elements */
        } tuple;
        struct {
            weld_pickle_ref module, name;
        } global;
        struct {
            weld_pickle_ref class, arguments; /* NOTHING for a dict */
            uint32_t first, last;             /* in items; 0: none */
        } object;
        weld_pickle_ref id;
    };
} weld_pickle_cell;

typedef struct weld_pickle_item {
    weld_pickle_ref key, value;
    uint32_t next; /* 0: the last */
} weld_pickle_item;

struct weld_pickle {
    const unsigned char *bytes;
    weld_array cells;    /* weld_pickle_cell by weld_pickle_ref */
    weld_array elements; /* weld_pickle_ref: those of tuples */
    weld_array items;    /* weld_pickle_item; the one at 0 is not used */
    weld_pickle_ref root;
};

static inline weld_pickle_cell *weld_pickle_cell_at(const weld_pickle *p, weld_pickle_ref v) {
    return (weld_pickle_cell *)p->cells.data + v;
}

static inline weld_pickle_item *weld_pickle_item_at(const weld_pickle *p, size_t item) {
    return (weld_pickle_item *)p->items.data + item;
}

#endif
