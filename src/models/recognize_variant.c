/* Recognition by trying: is there a variant whose tensors these are? See models.h. */
#include <string.h>

#include "base/error.h"
#include "graph/graph.h"
#include "models/models.h"
#include "passes/reparameterize.h"

/* Graphs are built for so many classes, whose tensors are then known by it. */
enum { CLASSES = WELD_MAX_CLASSES };

typedef struct search {
    const weld_model_family *family;
    const weld_shape_index *index;
    weld_recognized *out;
    size_t hits, tensors; /* of the best so far */
    int num_classes;      /* where no tensor tells */
    bool first_is_there;  /* the first tensor of some graph, in some naming */
    bool exact;           /* the best has all tensors, and no other is there */
} search;

static bool is_leaf(const weld_value *v) {
    return v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
}

static const weld_named_shape *find(const search *s, const weld_model_config *config,
                                    const weld_naming *naming, const char *name) {
    char called[WELD_TENSOR_NAME_SIZE];
    return weld_family_tensor_name(s->family, config, naming, name, called)
               ? weld_shape_index_find(s->index, called)
               : NULL;
}

/* Is this the leaf's shape, whatever the number of classes? Sets it where it is not known yet. */
static bool is_shape_of(const weld_value *leaf, const weld_naming *naming, weld_shape shape,
                        int *classes) {
    const weld_shape wanted = weld_naming_shape(naming, leaf->name, leaf->shape);
    if (wanted.rank > 0 && wanted.dim[0] == CLASSES && shape.rank > 0) {
        *classes = *classes ? *classes : (int)shape.dim[0];
        shape.dim[0] = shape.dim[0] == *classes ? CLASSES : 0;
    }
    return weld_shape_equal(&wanted, &shape);
}

/* Is the leaf a table of positions, and this the shape of one for images of some size? Sets it
 * where it is not known yet. */
static bool is_table(const search *s, const weld_model_config *config, const weld_value *leaf,
                     const weld_shape *shape, int *input_size) {
    const int size = weld_position_image_size(s->family, config, leaf->name, shape);
    *input_size = *input_size ? *input_size : size;
    return size && size == *input_size;
}

/* Is there none that has a row for each class? Then the head may be missing. */
static bool lacks_classes(const search *s, const weld_graph *g, const weld_model_config *config,
                          const weld_naming *naming) {
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *leaf = g->values[i];
        if (is_leaf(leaf) && weld_model_place_of(config, leaf->name).per_class &&
            find(s, config, naming, leaf->name)) {
            return false;
        }
    }
    return true;
}

/* How many of the graph's leaves are among the tensors; those of integers need not be, nor where
 * there is no classifier those of the head. */
static void try_naming(search *s, const weld_graph *g, const weld_model_config *config,
                       const weld_naming *naming, bool merged) {
    size_t hits = 0, tensors = 0, known = 0;
    int classes = 0, input_size = 0;
    const bool headless = lacks_classes(s, g, config, naming);
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *leaf = g->values[i];
        const weld_named_shape *found = is_leaf(leaf) ? find(s, config, naming, leaf->name) : NULL;
        known += found != NULL;
        if (!is_leaf(leaf) || leaf->dtype == WELD_I64 ||
            (headless && !found && weld_model_is_head(config, leaf->name))) {
            continue;
        }
        s->first_is_there = s->first_is_there || (found && tensors == 0);
        hits += found && (is_table(s, config, leaf, &found->shape, &input_size) ||
                          is_shape_of(leaf, naming, found->shape, &classes));
        tensors++;
    }
    const bool whole = hits == tensors, best_whole = s->tensors > 0 && s->hits == s->tensors;
    if (classes >= 0 && classes <= WELD_MAX_CLASSES &&
        (whole > best_whole || (whole == best_whole && hits > s->hits))) {
        s->hits = hits;
        s->tensors = tensors;
        s->out->config = *config;
        s->out->config.num_classes = classes ? classes : s->num_classes;
        s->out->input_size = input_size;
        s->out->naming = naming;
        s->out->merged = merged;
        s->out->partial = !whole;
        s->out->headless = headless && whole;
        s->exact = whole && known == s->index->count;
    }
}

static void try_graph(search *s, const weld_graph *g, const weld_model_config *config,
                      bool merged) {
    for (size_t n = 0; n < s->family->naming_count && !s->exact; n++) {
        try_naming(s, g, config, &s->family->namings[n], merged);
    }
}

static weld_status try_config(search *s, const weld_model_config *named, bool merged,
                              weld_error *err) {
    weld_model_config config = *named;
    weld_graph *g, *other;
    s->num_classes = config.num_classes;
    config.num_classes = CLASSES;
    const int size = s->family->usual(&config, s->family->namings).height;
    WELD_TRY(weld_model_build(&config, false, 1, size, size, WELD_F32, &g, err));
    weld_status status = merged ? weld_reparameterize_graph(g, &other, err) : WELD_OK;
    if (!status) {
        try_graph(s, merged ? other : g, &config, merged);
    }
    if (!status && merged) {
        weld_graph_free(other);
    }
    weld_graph_free(g);
    return status;
}

static bool is_variant(const weld_model_family *family, const weld_model_config *config) {
    for (size_t i = 0; i < family->variant_count; i++) {
        weld_model_config variant;
        if (!weld_model_config_named(family->variants[i].name, &variant, NULL) &&
            !weld_model_difference(&variant, config, WELD_KEY_SIZE)) {
            return true;
        }
    }
    return false;
}

/* The network of the sizes that tensors have, where it can be built and is no variant. */
static weld_status try_sizes(search *s, bool merged, weld_error *err) {
    weld_model_config seen;
    weld_shape_index index = *s->index;
    if (!s->family->see_sizes) {
        return WELD_OK;
    }
    WELD_TRY(weld_model_config_named(s->family->name, &seen, err));
    index.family = s->family;
    s->family->see_sizes(&index, &seen);
    return weld_model_config_check(&seen, NULL, NULL) || is_variant(s->family, &seen)
               ? WELD_OK
               : try_config(s, &seen, merged, err);
}

static weld_status try_form(search *s, bool merged, weld_error *err) {
    s->first_is_there = false;
    if (s->out->stated) {
        WELD_TRY(try_config(s, s->out->stated, merged, err));
    } else {
        WELD_TRY(try_sizes(s, merged, err));
    }
    for (size_t i = 0; i < s->family->variant_count && !s->exact; i++) {
        weld_model_config config;
        WELD_TRY(weld_model_config_named(s->family->variants[i].name, &config, err));
        WELD_TRY(try_config(s, &config, merged, err));
        if (!s->first_is_there) { /* variants differ in sizes, not in their first tensor's name */
            break;
        }
    }
    return WELD_OK;
}

weld_status weld_model_recognize_variant(const weld_model_family *family,
                                         const weld_shape_index *index, weld_recognized *out,
                                         weld_error *err) {
    search s = {.family = family, .index = index, .out = out};
    for (int merged = 0; merged < 2 && !s.exact; merged++) {
        WELD_TRY(try_form(&s, merged, err));
    }
    return s.hits > 0 && s.hits >= s.tensors / 2
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_NOT_FOUND,
                           "no %s: its %zu tensors are those of none of its variants", family->name,
                           index->count);
}
