/* Pickles, byte by byte: refused, or a tree of values that can be walked. */
#include <string.h>

#include "formats/pickle.h"
#include "fuzz.h"

enum { MAX_DEPTH = 8 };

/* Looks at a value and at what is in it, as deep as a state dict goes. `budget`: values that may
 * still be looked at, since values may be shared by the thousand. */
static void walk(const weld_pickle *p, weld_pickle_ref v, const uint8_t *data, size_t size,
                 int depth, size_t *budget) {
    if (depth == MAX_DEPTH || *budget == 0) {
        return;
    }
    --*budget;
    size_t length, items = 0;
    const char *text = weld_pickle_text(p, v, &length);
    weld_pickle_kind kind = weld_pickle_kind_of(p, v);
    FUZZ_CHECK(kind <= WELD_PICKLE_PERSISTENT);
    FUZZ_CHECK(kind == WELD_PICKLE_TEXT || length == 0);
    if (length > 0) {
        FUZZ_CHECK((const uint8_t *)text >= data && length <= size &&
                   (const uint8_t *)text + length <= data + size);
    }
    for (size_t i = 0; i < weld_pickle_tuple_size(p, v) && *budget; i++) {
        walk(p, weld_pickle_tuple_at(p, v, i), data, size, depth + 1, budget);
    }
    FUZZ_CHECK(weld_pickle_tuple_at(p, v, weld_pickle_tuple_size(p, v)) == WELD_PICKLE_NOTHING);
    const weld_pickle_ref parts[] = {weld_pickle_global_module(p, v), weld_pickle_global_name(p, v),
                                     weld_pickle_class(p, v), weld_pickle_arguments(p, v),
                                     weld_pickle_id(p, v)};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i] != WELD_PICKLE_NOTHING) {
            walk(p, parts[i], data, size, depth + 1, budget);
        }
    }
    for (size_t i = weld_pickle_first(p, v); i; i = weld_pickle_next(p, i)) {
        FUZZ_CHECK(++items <= size); /* no list goes round in a circle */
        walk(p, weld_pickle_key(p, i), data, size, depth + 1, budget);
        walk(p, weld_pickle_value(p, i), data, size, depth + 1, budget);
    }
    (void)weld_pickle_int(p, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weld_pickle *p = NULL;
    weld_error err = fuzz_error();
    weld_status status = weld_pickle_read(data, size, "fuzz", &p, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        size_t budget = 2000;
        walk(p, weld_pickle_root(p), data, size, 0, &budget);
        weld_pickle_free(p);
    }
    return 0;
}
