/* Looking at the values of a pickle; see pickle.h. */
#include "formats/pickle_values.h"

#include <string.h>

#include "base/memory.h"

void weld_pickle_free(weld_pickle *p) {
    if (p) {
        weld_array_free(&p->cells);
        weld_array_free(&p->elements);
        weld_array_free(&p->items);
        weld_free(p);
    }
}

weld_pickle_ref weld_pickle_root(const weld_pickle *p) {
    return p->root;
}

weld_pickle_kind weld_pickle_kind_of(const weld_pickle *p, weld_pickle_ref v) {
    return weld_pickle_cell_at(p, v)->kind;
}

/* The cell of v if it is of that kind, else NULL. */
static const weld_pickle_cell *cell(const weld_pickle *p, weld_pickle_ref v,
                                    weld_pickle_kind kind) {
    const weld_pickle_cell *c = weld_pickle_cell_at(p, v);
    return c->kind == kind ? c : NULL;
}

int64_t weld_pickle_int(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_INT);
    return c ? c->integer : 0;
}

const char *weld_pickle_text(const weld_pickle *p, weld_pickle_ref v, size_t *length) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_TEXT);
    *length = c ? c->text.length : 0;
    return c ? (const char *)p->bytes + c->text.begin : "";
}

bool weld_pickle_text_is(const weld_pickle *p, weld_pickle_ref v, const char *text) {
    size_t length;
    const char *found = weld_pickle_text(p, v, &length);
    return weld_pickle_kind_of(p, v) == WELD_PICKLE_TEXT && length == strlen(text) &&
           memcmp(found, text, length) == 0;
}

size_t weld_pickle_tuple_size(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_TUPLE);
    return c ? c->tuple.count : 0;
}

weld_pickle_ref weld_pickle_tuple_at(const weld_pickle *p, weld_pickle_ref v, size_t i) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_TUPLE);
    return c && i < c->tuple.count ? ((const weld_pickle_ref *)p->elements.data)[c->tuple.first + i]
                                   : WELD_PICKLE_NOTHING;
}

weld_pickle_ref weld_pickle_global_module(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_GLOBAL);
    return c ? c->global.module : WELD_PICKLE_NOTHING;
}

weld_pickle_ref weld_pickle_global_name(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_GLOBAL);
    return c ? c->global.name : WELD_PICKLE_NOTHING;
}

bool weld_pickle_global_is(const weld_pickle *p, weld_pickle_ref v, const char *module,
                           const char *name) {
    return weld_pickle_text_is(p, weld_pickle_global_module(p, v), module) &&
           weld_pickle_text_is(p, weld_pickle_global_name(p, v), name);
}

weld_pickle_ref weld_pickle_class(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_OBJECT);
    return c ? c->object.class : WELD_PICKLE_NOTHING;
}

weld_pickle_ref weld_pickle_arguments(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_OBJECT);
    return c ? c->object.arguments : WELD_PICKLE_NOTHING;
}

weld_pickle_ref weld_pickle_id(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = cell(p, v, WELD_PICKLE_PERSISTENT);
    return c ? c->id : WELD_PICKLE_NOTHING;
}

size_t weld_pickle_first(const weld_pickle *p, weld_pickle_ref v) {
    const weld_pickle_cell *c = weld_pickle_cell_at(p, v);
    bool has_items = c->kind == WELD_PICKLE_DICT || c->kind == WELD_PICKLE_OBJECT;
    return has_items ? c->object.first : 0;
}

size_t weld_pickle_next(const weld_pickle *p, size_t item) {
    return weld_pickle_item_at(p, item)->next;
}

weld_pickle_ref weld_pickle_key(const weld_pickle *p, size_t item) {
    return weld_pickle_item_at(p, item)->key;
}

weld_pickle_ref weld_pickle_value(const weld_pickle *p, size_t item) {
    return weld_pickle_item_at(p, item)->value;
}
