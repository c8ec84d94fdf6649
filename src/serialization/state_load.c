/* A network's tensors out of a state dict; see state_load.h. */
#include "serialization/state_load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "serialization/name_list.h"
#include "graph/graph.h"

/* Where a name has the "_" of a module and its number, at its beginning; NULL: it has none. */
static const char *joint(const char *name) {
    const char *dot = strchr(name, '.'), *at = dot;
    while (at && at > name && at[-1] >= '0' && at[-1] <= '9') {
        at--;
    }
    return at && at < dot && at > name + 1 && at[-1] == '_' ? at - 1 : NULL;
}

static weld_status take_apart(weld_state_index *index, size_t count, weld_error *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = index->tensors[i].name;
        bytes += joint(name) ? strlen(name) + 1 : 0;
    }
    char *to = bytes ? weld_alloc_raw(bytes, 1) : NULL;
    if (!to) {
        return bytes ? weld_fail_memory(err, weld_state_dict_file(index->dict))
                     : weld_fail(err, WELD_ERROR_NOT_FOUND, "no list of modules");
    }
    index->written = to;
    for (size_t i = 0; i < count; i++) {
        const char *name = index->tensors[i].name, *at = joint(name);
        if (at) {
            const size_t length = strlen(name) + 1;
            memcpy(to, name, length);
            to[at - name] = '.';
            index->tensors[i].name = to;
            to += length;
        }
    }
    return WELD_OK;
}

weld_status weld_state_index_create(const weld_state_dict *dict, const char *prefix, bool listed,
                                    weld_state_index *out, weld_error *err) {
    const size_t length = strlen(prefix);
    size_t count = weld_state_dict_count(dict);
    weld_state_index index = {.dict = dict, .tensors = weld_alloc(count, sizeof *index.tensors)};
    if (!index.tensors) {
        return weld_fail_memory(err, weld_state_dict_file(dict));
    }
    for (size_t i = 0; i < count; i++) {
        const weld_state_entry *entry = weld_state_dict_at(dict, i);
        const bool has = strncmp(entry->name, prefix, length) == 0;
        index.tensors[i] = (weld_named_shape){has ? entry->name + length : "", entry->shape};
    }
    snprintf(index.prefix, sizeof index.prefix, "%s", prefix);
    weld_status status = listed ? take_apart(&index, count, err) : WELD_OK;
    status = status ? status : weld_shape_index_create(index.tensors, count, &index.names, err);
    if (status) {
        weld_state_index_free(&index);
        return status;
    }
    *out = index;
    return WELD_OK;
}

bool weld_state_index_next_prefix(const weld_state_index *index, char prefix[WELD_PREFIX_SIZE]) {
    const size_t count = index->names.count;
    size_t have = 0;
    for (size_t i = 0; i < count; i++) {
        have += index->tensors[i].name[0] != '\0';
    }
    /* A majority of sorted names holds the one in the middle of them. */
    const char *middle = have ? index->names.sorted[count - have + have / 2]->name : "";
    const size_t length = strcspn(middle, ".") + 1;
    size_t share = 0;
    for (size_t i = 0; i < count; i++) {
        share += strncmp(index->tensors[i].name, middle, length) == 0;
    }
    const int used =
        snprintf(prefix, WELD_PREFIX_SIZE, "%s%.*s", index->prefix, (int)length, middle);
    return strchr(middle, '.') && 2 * share > have && used < WELD_PREFIX_SIZE;
}

void weld_state_index_free(weld_state_index *index) {
    weld_shape_index_free(&index->names);
    weld_free(index->written);
    weld_free(index->tensors);
    *index = (weld_state_index){0};
}

typedef struct loading {
    const weld_graph *network;
    const weld_state_index *index;
    const weld_model_config *config;
    const weld_naming *naming;
    bool headless;
    weld_name_list *passed_over;
    weld_error *err;
} loading;

static bool is_leaf(const weld_value *v) {
    return v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
}

/* The leaf's name in the file and its number there, -1 where it has none. */
static weld_status find(const loading *l, const weld_value *leaf, char name[WELD_TENSOR_NAME_SIZE],
                        int64_t *number) {
    WELD_TRY(weld_model_tensor_name(l->config, l->naming, leaf->name, name, l->err));
    const weld_named_shape *found = weld_shape_index_find(&l->index->names, name);
    *number = found ? found - l->index->tensors : -1;
    return WELD_OK;
}

/* --- Does everything fit? --------------------------------------------------------------------- */

typedef struct comparison {
    bool *used; /* by number in the file */
    weld_name_list missing, unexpected, wrong, passed_over;
    int64_t channels; /* of images, where it is for others than weld's; else 0 */
} comparison;

/* "features.0.total_ops": thop counts there, and leaves it behind. */
static bool is_of_profiler(const char *name) {
    static const char *const names[] = {"total_ops", "total_params"};
    const char *dot = strrchr(name, '.');
    const char *last = dot ? dot + 1 : name;
    return strcmp(last, names[0]) == 0 || strcmp(last, names[1]) == 0;
}

/* A counter (of batches) is one number of any type: some programs convert it along with the
 * weights, and old ones gave it a dimension. */
static bool fits(const weld_value *leaf, const weld_shape *shape, const weld_state_entry *entry) {
    return leaf->dtype == WELD_I64
               ? weld_shape_count(&entry->shape) == 1
               : weld_element_is_float(entry->element) && weld_shape_equal(shape, &entry->shape);
}

/* A table of positions for images of another size, to be resized. */
static bool is_other_table(const loading *l, const weld_value *leaf,
                           const weld_state_entry *entry) {
    return weld_element_is_float(entry->element) &&
           weld_position_image_size(weld_family_of(l->config), l->config, leaf->name,
                                    &entry->shape) > 0;
}

static void add_wrong(comparison *c, const weld_shape *shape, const weld_state_entry *entry) {
    char text[WELD_TENSOR_NAME_SIZE + 224], is[96], wanted[96];
    snprintf(text, sizeof text, "%.120s is %s %s, not %s", entry->name,
             weld_element_name(entry->element), weld_shape_text(&entry->shape, is, sizeof is),
             weld_shape_text(shape, wanted, sizeof wanted));
    weld_name_list_add(&c->wrong, text);
}

static bool may_be_missing(const loading *l, const weld_value *leaf) {
    return l->headless && weld_model_is_head(l->config, leaf->name);
}

static weld_status compare_leaf(const loading *l, const weld_value *leaf, comparison *c) {
    char name[WELD_TENSOR_NAME_SIZE];
    int64_t number;
    WELD_TRY(find(l, leaf, name, &number));
    if (number < 0) {
        if (leaf->dtype != WELD_I64 && !may_be_missing(l, leaf)) {
            weld_name_list_add(&c->missing, name);
        }
        return WELD_OK;
    }
    const weld_state_entry *entry = weld_state_dict_at(l->index->dict, (size_t)number);
    c->used[number] = true;
    const weld_shape shape = weld_naming_shape(l->naming, leaf->name, leaf->shape);
    if (!fits(leaf, &shape, entry) && !is_other_table(l, leaf, entry)) {
        add_wrong(c, &shape, entry);
        if (weld_model_reads_images(l->network, leaf) && entry->shape.rank == 4 &&
            entry->shape.dim[0] == shape.dim[0] && entry->shape.dim[1] != shape.dim[1]) {
            c->channels = entry->shape.dim[1];
        }
    }
    return WELD_OK;
}

/* A tensor that the graph has not, since it is the same in all networks: is it? */
static const weld_constant_tensor *find_constant(const loading *l, const char *name) {
    const weld_constant_tensor *c = weld_family_of(l->config)->constants;
    while (c && c->name && strcmp(c->name, name) != 0) {
        c++;
    }
    return c && c->name ? c : NULL;
}

static weld_status compare_constant(const loading *l, const weld_constant_tensor *constant,
                                    size_t number, comparison *c) {
    const weld_state_entry *entry = weld_state_dict_at(l->index->dict, number);
    const int64_t count = weld_shape_count(&constant->shape);
    if (!weld_element_is_float(entry->element) ||
        !weld_shape_equal(&constant->shape, &entry->shape)) {
        add_wrong(c, &constant->shape, entry);
        return WELD_OK;
    }
    float *values = weld_alloc((size_t)count, sizeof *values);
    if (!values) {
        return weld_fail_memory(l->err, constant->name);
    }
    weld_status status = weld_state_dict_read(l->index->dict, number, WELD_F32, values, l->err);
    for (int64_t i = 0; !status && i < count; i++) {
        if (values[i] != (float)constant->element(i)) {
            status =
                weld_fail(l->err, WELD_ERROR_FORMAT, "%s: %s has %g at %lld, where every %s has %g",
                          weld_state_dict_file(l->index->dict), constant->name, (double)values[i],
                          (long long)i, weld_family_of(l->config)->name, constant->element(i));
        }
    }
    weld_free(values);
    return status;
}

static weld_status fail_unfit(const loading *l, const comparison *c) {
    const struct {
        const weld_name_list *list;
        const char *what;
    } parts[] = {{&c->missing, "missing"}, {&c->unexpected, "unexpected"}, {&c->wrong, "wrong"}};
    char text[900] = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].list->count) {
            weld_append(text, sizeof text, "%s%zu %s: %s", *text ? "; " : "", parts[i].list->count,
                        parts[i].what, parts[i].list->text);
        }
    }
    if (c->channels) {
        weld_append(
            text, sizeof text,
            ": its images have %lld channels, weld's networks are for 3 (RGB): give its first "
            "convolution three (a weight for 1 channel three times, each a third; of 4 those "
            "of the colours)",
            (long long)c->channels);
    }
    return weld_fail(l->err, WELD_ERROR_SHAPE, "%s: its tensors are not those of a %s: %s",
                     weld_state_dict_file(l->index->dict), l->config->name, text);
}

static weld_status compare(const loading *l) {
    const weld_graph *network = l->network;
    size_t count = weld_state_dict_count(l->index->dict);
    comparison c = {.used = weld_alloc(count, sizeof *c.used)};
    weld_status status =
        c.used ? WELD_OK : weld_fail_memory(l->err, weld_state_dict_file(l->index->dict));
    for (size_t i = 0; !status && i < network->value_count; i++) {
        if (is_leaf(network->values[i])) {
            status = compare_leaf(l, network->values[i], &c);
        }
    }
    for (size_t i = 0; !status && i < count; i++) {
        const char *name = weld_state_dict_at(l->index->dict, i)->name;
        const bool outside = l->index->tensors[i].name[0] == '\0';
        const weld_constant_tensor *constant = find_constant(l, l->index->tensors[i].name);
        if (!c.used[i] && constant) {
            status = compare_constant(l, constant, i, &c);
        } else if (!c.used[i]) {
            weld_name_list_add(outside || is_of_profiler(name) ? &c.passed_over : &c.unexpected,
                               name);
        }
    }
    if (l->passed_over) {
        *l->passed_over = c.passed_over;
    }
    weld_free(c.used);
    if (!status && c.missing.count + c.unexpected.count + c.wrong.count) {
        status = fail_unfit(l, &c);
    }
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static weld_status read_counter(const loading *l, size_t number, int64_t *out) {
    const weld_state_entry *entry = weld_state_dict_at(l->index->dict, number);
    if (!weld_element_is_float(entry->element)) {
        return weld_state_dict_read(l->index->dict, number, WELD_I64, out, l->err);
    }
    double value;
    WELD_TRY(weld_state_dict_read(l->index->dict, number, WELD_F64, &value, l->err));
    /* Averages of weights average it too, and bf16 rounds it: nothing depends on it. */
    *out = value >= 0 && value < 0x1p62 ? (int64_t)round(value) : 0;
    return WELD_OK;
}

/* What was read into `from` as the network has it. */
static weld_status convert(const loading *l, const weld_value *leaf, const weld_tensor *from,
                           const weld_tensor *to) {
    if (weld_shape_count(&from->shape) == weld_shape_count(&to->shape)) {
        weld_turn_channels(from, to->data);
        return WELD_OK;
    }
    return weld_position_resize_for(weld_family_of(l->config), l->config, leaf->name, from, to,
                                    l->err);
}

static weld_status read_floats(const loading *l, size_t number, const weld_value *leaf,
                               weld_tensor *to) {
    const weld_shape *shape = &weld_state_dict_at(l->index->dict, number)->shape;
    const bool resized = weld_shape_count(shape) != weld_shape_count(&to->shape);
    const bool turned = l->naming->bgr && weld_model_reads_images(l->network, leaf);
    weld_tensor read = {to->dtype, turned ? to->shape : *shape, to->data};
    if (!resized && !turned) {
        return weld_state_dict_read(l->index->dict, number, WELD_F32, to->data, l->err);
    }
    read.data = weld_alloc(1, weld_tensor_bytes(&read));
    if (!read.data) {
        return weld_fail_memory(l->err, leaf->name);
    }
    weld_status status = weld_state_dict_read(l->index->dict, number, WELD_F32, read.data, l->err);
    status = status ? status : convert(l, leaf, &read, to);
    weld_free(read.data);
    return status;
}

static weld_status load_leaf(const loading *l, const weld_value *leaf, weld_weights *to) {
    char name[WELD_TENSOR_NAME_SIZE];
    int64_t number;
    weld_tensor tensor;
    WELD_TRY(find(l, leaf, name, &number));
    if (number < 0 && may_be_missing(l, leaf)) {
        return WELD_OK;
    }
    WELD_TRY(weld_weights_add(to, leaf->name, leaf->dtype, &leaf->shape, &tensor, l->err));
    if (number < 0) {
        return WELD_OK; /* a counter that is missing is 0 */
    }
    return leaf->dtype == WELD_I64 ? read_counter(l, (size_t)number, tensor.data)
                                   : read_floats(l, (size_t)number, leaf, &tensor);
}

weld_status weld_state_load(const weld_state_index *index, const weld_graph *network,
                            const weld_recognized *found, const weld_model_config *config,
                            weld_weights **out, weld_name_list *passed_over, weld_error *err) {
    const loading l = {network, index, config, found->naming, found->headless, passed_over, err};
    weld_weights *weights = NULL;
    weld_status status = compare(&l);
    status = status ? status : weld_weights_create(&weights, err);
    for (size_t i = 0; !status && i < network->value_count; i++) {
        if (is_leaf(network->values[i])) {
            status = load_leaf(&l, network->values[i], weights);
        }
    }
    if (status) {
        weld_weights_free(weights);
        return status;
    }
    *out = weights;
    return WELD_OK;
}
