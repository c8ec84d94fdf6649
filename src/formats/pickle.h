/* Python pickles as data: what stands in them, without doing any of it.
 *
 * A pickle is a program for a small stack machine that builds objects by calling functions. Here
 * nothing is called and no name is looked up: a call of an unknown function, an instance of an
 * unknown class is a value that says which, with which arguments. Values are built once and shared
 * by references, and no function goes down into them by itself, so that neither nesting, nor
 * cycles, nor references by the thousand cost more memory than the bytes that spell them.
 *
 * The binary opcodes of protocols 2 to 5 are read, buffers outside the pickle and the registry of
 * extensions excepted: https://docs.python.org/3/library/pickletools.html
 */
#ifndef WELD_FORMATS_PICKLE_H
#define WELD_FORMATS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weld/status.h"

typedef enum weld_pickle_kind {
    WELD_PICKLE_OTHER, /* None, booleans, floats, bytes, lists, sets, integers beyond 64 bits */
    WELD_PICKLE_INT,
    WELD_PICKLE_TEXT,
    WELD_PICKLE_TUPLE,
    WELD_PICKLE_GLOBAL, /* a function or class by its module and name */
    WELD_PICKLE_DICT,
    WELD_PICKLE_OBJECT,    /* what calling a global with arguments, or making one, would give */
    WELD_PICKLE_PERSISTENT /* what the pickle's reader is to supply, by an id: a storage */
} weld_pickle_kind;

typedef struct weld_pickle weld_pickle;
typedef uint32_t weld_pickle_ref; /* a value of one pickle */
#define WELD_PICKLE_NOTHING                                                                        \
    ((weld_pickle_ref)0) /* a value of kind OTHER, which every pickle has                          \
                          */

/* Read a pickle of `size` bytes, which must outlive what is returned: texts point into it. `where`
 * stands in front of messages, which tell the byte. */
weld_status weld_pickle_read(const void *bytes, size_t size, const char *where, weld_pickle **out,
                             weld_error *err);
void weld_pickle_free(weld_pickle *p);

weld_pickle_ref weld_pickle_root(const weld_pickle *p);
weld_pickle_kind weld_pickle_kind_of(const weld_pickle *p, weld_pickle_ref v);

/* The functions below give what they name for a value of their kind, and for all others 0, an empty
 * text, WELD_PICKLE_NOTHING or false. */
int64_t weld_pickle_int(const weld_pickle *p, weld_pickle_ref v);
const char *weld_pickle_text(const weld_pickle *p, weld_pickle_ref v,
                             size_t *length); /* no zero ends */
bool weld_pickle_text_is(const weld_pickle *p, weld_pickle_ref v, const char *text);
size_t weld_pickle_tuple_size(const weld_pickle *p, weld_pickle_ref v);
weld_pickle_ref weld_pickle_tuple_at(const weld_pickle *p, weld_pickle_ref v, size_t i);
weld_pickle_ref weld_pickle_global_module(const weld_pickle *p, weld_pickle_ref v); /* a text */
weld_pickle_ref weld_pickle_global_name(const weld_pickle *p, weld_pickle_ref v);   /* a text */
bool weld_pickle_global_is(const weld_pickle *p, weld_pickle_ref v, const char *module,
                           const char *name);
weld_pickle_ref weld_pickle_class(const weld_pickle *p,
                                  weld_pickle_ref v); /* of an object: a global, or
                                               what else was called */
weld_pickle_ref weld_pickle_arguments(const weld_pickle *p,
                                      weld_pickle_ref v);                /* of an object: a tuple */
weld_pickle_ref weld_pickle_id(const weld_pickle *p, weld_pickle_ref v); /* of a persistent value */

/* Items of a dict, or of an object that was given some, in order; a key may come twice.
 *     for (size_t i = weld_pickle_first(p, v); i; i = weld_pickle_next(p, i)) */
size_t weld_pickle_first(const weld_pickle *p, weld_pickle_ref v);
size_t weld_pickle_next(const weld_pickle *p, size_t item);
weld_pickle_ref weld_pickle_key(const weld_pickle *p, size_t item);
weld_pickle_ref weld_pickle_value(const weld_pickle *p, size_t item);

#endif
