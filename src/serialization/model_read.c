/* Reading model files; see model_file.h. */
#include "serialization/model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/file.h"
#include "passes/fake_quantize.h"
#include "serialization/graph_text.h"
#include "serialization/model_layout.h"
#include "serialization/model_text.h"
#include "serialization/name_list.h"
#include "serialization/quantization_text.h"
#include "graph/graph.h"
#include "models/models.h"

typedef struct reading {
    weld_store *store;
    bool *used;    /* by entry: taken into mf */
    bool integers; /* a deploy file of them */
    bool in_place; /* the weights have the file's bytes, and the tensors stay where they are */
    weld_model_file *mf;
    weld_error *err;
} reading;

static void mark(reading *r, const weld_store_entry *e) {
    r->used[e - weld_store_entry_at(r->store, 0)] = true;
}

static weld_status take_text(reading *r, const char *path, const char **out) {
    weld_status status = weld_store_text(r->store, path, out, r->err);
    if (!status) {
        mark(r, weld_store_find(r->store, path));
    }
    return status;
}

static weld_status take_copy(reading *r, const char *path, bool required, char **out) {
    const char *text;
    if (!required && !weld_store_find(r->store, path)) {
        return WELD_OK;
    }
    WELD_TRY(take_text(r, path, &text));
    *out = weld_strdup(text);
    return *out ? WELD_OK : weld_fail_memory(r->err, path);
}

/* A text that is read on; `where` stands in front of messages. */
static weld_status take_json(reading *r, const char *path, const char **text,
                             char where[WELD_MODEL_PATH_SIZE]) {
    snprintf(where, WELD_MODEL_PATH_SIZE, "%s: %s", weld_store_file(r->store), path);
    return take_text(r, path, text);
}

static weld_status take_texts(reading *r) {
    weld_model_file *mf = r->mf;
    const char *text;
    char where[WELD_MODEL_PATH_SIZE];
    WELD_TRY(take_json(r, "config", &text, where));
    WELD_TRY(weld_model_config_from_text(text, where, &mf->config, r->err));
    WELD_TRY(take_json(r, "preprocessing", &text, where));
    WELD_TRY(weld_preprocessing_from_text(text, where, &mf->preprocessing, r->err));
    WELD_TRY(take_copy(r, "program_version", true, &mf->program_version));
    WELD_TRY(take_copy(r, "recipe", false, &mf->recipe));
    WELD_TRY(take_copy(r, "summary", false, &mf->summary));
    return take_copy(r, "verification", false, &mf->verification);
}

static weld_status take_temperature(reading *r) {
    const weld_store_entry *e = weld_store_find(r->store, "temperature");
    if (!e) {
        return WELD_OK;
    }
    mark(r, e);
    if (e->type == WELD_STORE_F64 && e->bytes == sizeof r->mf->temperature) {
        memcpy(&r->mf->temperature, e->data, sizeof r->mf->temperature);
    }
    return weld_is_temperature(r->mf->temperature)
               ? WELD_OK
               : weld_fail(r->err, WELD_ERROR_FORMAT,
                           "%s: temperature: is no number in %g..%g: the file was not made by weld",
                           weld_store_file(r->store), WELD_MIN_TEMPERATURE, WELD_MAX_TEMPERATURE);
}

static weld_status take_class_names(reading *r) {
    const weld_store_entry *e = weld_store_find(r->store, "class_names");
    if (!e) {
        return WELD_OK;
    }
    mark(r, e);
    const char *bytes = e->data;
    int count = 0, wanted = r->mf->config.num_classes;
    for (size_t i = 0; i < e->bytes; i++) {
        count += bytes[i] == '\0' && count <= wanted;
    }
    if (e->type != WELD_STORE_U8 || bytes[e->bytes - 1] != '\0' || count != wanted) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: class_names: not the names of %d classes: the file was not made by "
                         "weld",
                         weld_store_file(r->store), wanted);
    }
    r->mf->class_names = weld_alloc((size_t)count, sizeof *r->mf->class_names);
    for (int i = 0; r->mf->class_names && i < count; i++) {
        r->mf->class_names[i] = weld_strdup(bytes);
        if (!r->mf->class_names[i]) {
            return weld_fail_memory(r->err, "class names");
        }
        bytes += strlen(bytes) + 1;
    }
    return r->mf->class_names ? WELD_OK : weld_fail_memory(r->err, "class names");
}

static weld_status take_graph(reading *r) {
    const char *text;
    char where[WELD_MODEL_PATH_SIZE];
    WELD_TRY(take_json(r, "graph", &text, where));
    return weld_model_take_graph(text, where, r->mf, r->err);
}

static weld_status take_quantization(reading *r) {
    const char *text;
    char where[WELD_MODEL_PATH_SIZE];
    r->mf->quantization = weld_alloc(1, sizeof *r->mf->quantization);
    if (!r->mf->quantization) {
        return weld_fail_memory(r->err, "quantization");
    }
    WELD_TRY(take_json(r, "quantization", &text, where));
    WELD_TRY(weld_quantization_from_text(text, where, r->mf->graph, r->mf->quantization, r->err));
    return weld_quantization_check_codes(r->mf->graph, r->mf->quantization, where, r->err);
}

/* A checkpoint is built from its configuration; one that asks for more blocks than the file has
 * tensors is not worth the work. */
static weld_status check_size(const reading *r) {
    size_t blocks = (size_t)weld_model_block_count(&r->mf->config);
    if (blocks > weld_store_count(r->store)) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: config: %zu blocks, but %zu entries in the file: the file was not "
                         "made by weld",
                         weld_store_file(r->store), blocks, weld_store_count(r->store));
    }
    return WELD_OK;
}

static weld_status take_tensor(reading *r, const char *group, const weld_value *leaf,
                               weld_weights *to, weld_name_list *missing) {
    char path[WELD_MODEL_PATH_SIZE];
    weld_store_type type;
    const weld_store_entry *e;
    weld_tensor tensor;
    WELD_TRY(weld_model_path(path, group, leaf->name, r->err));
    if (!weld_store_find(r->store, path)) {
        weld_name_list_add(missing, path);
        return WELD_OK;
    }
    if (!weld_store_type_of(leaf->dtype, &type)) {
        return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: %s: of a type that no file can hold",
                         weld_store_file(r->store), path);
    }
    WELD_TRY(weld_store_find_tensor(r->store, path, type, &leaf->shape, &e, r->err));
    if (r->in_place) {
        WELD_TRY(
            weld_weights_place(to, leaf->name, leaf->dtype, &leaf->shape, (void *)e->data, r->err));
    } else {
        WELD_TRY(weld_weights_add(to, leaf->name, leaf->dtype, &leaf->shape, &tensor, r->err));
        memcpy(tensor.data, e->data, e->bytes);
    }
    mark(r, e);
    return WELD_OK;
}

/* Memory for the tensors of a group, in one piece. */
static size_t group_bytes(const weld_store *s, const char *group) {
    size_t bytes = 0, length = strlen(group);
    for (size_t i = 0; i < weld_store_count(s); i++) {
        const weld_store_entry *e = weld_store_entry_at(s, i);
        if (strncmp(e->path, group, length) == 0 && e->path[length] == '/') {
            bytes += weld_round_up(e->bytes, WELD_ALIGNMENT);
        }
    }
    return bytes;
}

/* All parameters and buffers, from two groups. */
static weld_status take_weights(reading *r, const weld_graph *network, const char *parameters,
                                const char *buffers, weld_weights *to, weld_name_list *missing) {
    weld_status status =
        r->in_place
            ? WELD_OK
            : weld_weights_reserve(
                  to, group_bytes(r->store, parameters) + group_bytes(r->store, buffers), r->err);
    for (size_t i = 0; !status && i < network->value_count; i++) {
        const weld_value *v = network->values[i];
        if (v->kind == WELD_VALUE_PARAMETER) {
            status = take_tensor(r, parameters, v, to, missing);
        } else if (v->kind == WELD_VALUE_BUFFER) {
            status = take_tensor(r, buffers, v, to, missing);
        }
    }
    return status;
}

/* Does any path begin so? */
static bool has_group(const weld_store *s, const char *begin) {
    for (size_t i = 0; i < weld_store_count(s); i++) {
        if (strncmp(weld_store_entry_at(s, i)->path, begin, strlen(begin)) == 0) {
            return true;
        }
    }
    return false;
}

/* All moments of a parameter that the file keeps, or none: it was frozen. */
static weld_status take_moments_of(reading *r, const weld_value *leaf, weld_name_list *missing) {
    char first[WELD_MODEL_PATH_SIZE], second[WELD_MODEL_PATH_SIZE];
    WELD_TRY(weld_model_path(first, WELD_GROUP_MOMENT1, leaf->name, r->err));
    WELD_TRY(weld_model_path(second, WELD_GROUP_MOMENT2, leaf->name, r->err));
    if (!weld_store_find(r->store, first) && !weld_store_find(r->store, second)) {
        return WELD_OK;
    }
    WELD_TRY(take_tensor(r, WELD_GROUP_MOMENT1, leaf, r->mf->moment1, missing));
    return r->mf->moment2 ? take_tensor(r, WELD_GROUP_MOMENT2, leaf, r->mf->moment2, missing)
                          : WELD_OK;
}

static weld_status take_moments(reading *r, const weld_graph *network, weld_name_list *missing) {
    weld_model_file *mf = r->mf;
    if (mf->kind != WELD_MODEL_CHECKPOINT || !has_group(r->store, WELD_GROUP_MOMENT1 "/")) {
        return WELD_OK;
    }
    weld_status status = weld_weights_create(&mf->moment1, r->err);
    if (!status && has_group(r->store, WELD_GROUP_MOMENT2 "/")) {
        status = weld_weights_create(&mf->moment2, r->err);
    }
    for (size_t i = 0; !status && i < network->value_count; i++) {
        if (network->values[i]->kind == WELD_VALUE_PARAMETER) {
            status = take_moments_of(r, network->values[i], missing);
        }
    }
    return status;
}

static weld_status take_ema(reading *r, const weld_graph *network, weld_name_list *missing) {
    weld_model_file *mf = r->mf;
    if (mf->kind != WELD_MODEL_CHECKPOINT || !has_group(r->store, WELD_GROUP_EMA)) {
        return WELD_OK;
    }
    WELD_TRY(weld_weights_create(&mf->ema, r->err));
    return take_weights(r, network, WELD_GROUP_EMA WELD_GROUP_PARAMETERS,
                        WELD_GROUP_EMA WELD_GROUP_BUFFERS, mf->ema, missing);
}

static weld_status take_tensors(reading *r) {
    const weld_graph *network;
    weld_graph *owned;
    weld_name_list missing = {0};
    weld_status status = weld_model_network(r->mf, &network, &owned, r->err);
    if (status) {
        return weld_fail_context(r->err, status, "%s", weld_store_file(r->store));
    }
    status = weld_weights_create(&r->mf->weights, r->err);
    if (!status && r->mf->kind == WELD_MODEL_DEPLOY) {
        void *bytes = weld_store_give_bytes(r->store);
        r->in_place = bytes != NULL;
        weld_weights_own(r->mf->weights, bytes);
    }
    status = status ? status
                    : take_weights(r, network, WELD_GROUP_PARAMETERS, WELD_GROUP_BUFFERS,
                                   r->mf->weights, &missing);
    status = status ? status : take_moments(r, network, &missing);
    status = status ? status : take_ema(r, network, &missing);
    weld_graph_free(owned);
    if (!status && missing.count) {
        status =
            weld_fail(r->err, WELD_ERROR_FORMAT, "%s: %zu tensors of the network are not in it: %s",
                      weld_store_file(r->store), missing.count, missing.text);
    }
    return status;
}

static bool are_finite(const float *x, size_t count, bool positive) {
    bool good = count > 0;
    for (size_t i = 0; i < count; i++) {
        good = good && isfinite(x[i]) && (!positive || x[i] >= 0);
    }
    return good;
}

/* Rows of `columns` numbers; *out NULL where there are none. */
static weld_status take_rows(reading *r, const char *path, int64_t columns, bool positive,
                             const char *what, float **out, size_t *rows) {
    const weld_store_entry *e = weld_store_find(r->store, path);
    if (!e) {
        return WELD_OK;
    }
    mark(r, e);
    const bool fits = e->type == WELD_STORE_F32 && e->shape.rank == 2 && e->shape.dim[1] == columns;
    if (!fits || !are_finite(e->data, e->bytes / sizeof(float), positive)) {
        return weld_fail(r->err, WELD_ERROR_FORMAT,
                         "%s: %s: are no %s: the file was not made by weld",
                         weld_store_file(r->store), path, what);
    }
    *rows = (size_t)e->shape.dim[0];
    *out = weld_memdup(e->data, e->bytes);
    return *out ? WELD_OK : weld_fail_memory(r->err, path);
}

static weld_status take_codes(reading *r) {
    WELD_TRY(take_rows(r, WELD_CODES_PATH, 2, true, "scales and zeros", &r->mf->codes,
                       &r->mf->code_rows));
    return r->mf->codes ? take_rows(r, WELD_STEPS_PATH, WELD_STEP_COLUMNS, false,
                                    "steps and their moments", &r->mf->steps, &r->mf->step_rows)
                        : WELD_OK;
}

static weld_status take_trainer(reading *r) {
    const weld_shape scalar = {.rank = 0};
    const bool all = r->mf->kind == WELD_MODEL_CHECKPOINT;
    for (size_t i = 0; i < weld_trainer_field_count; i++) {
        const weld_trainer_field *f = &weld_trainer_fields[i];
        if (!all && !f->codes) {
            continue;
        }
        char *to = (char *)&r->mf->trainer + f->offset;
        int64_t value;
        if (f->later && !weld_store_find(r->store, f->path)) {
            continue;
        }
        WELD_TRY(weld_store_read(r->store, f->path, f->type, &scalar, to, r->err));
        memcpy(&value, to, sizeof value);
        if (f->type == WELD_STORE_I64 && value < f->min) {
            return weld_fail(r->err, WELD_ERROR_FORMAT, "%s: %s: %lld: out of its range",
                             weld_store_file(r->store), f->path, (long long)value);
        }
        mark(r, weld_store_find(r->store, f->path));
    }
    return WELD_OK;
}

static weld_status check_nothing_left(const reading *r) {
    weld_name_list left = {0};
    for (size_t i = 0; i < weld_store_count(r->store); i++) {
        if (!r->used[i]) {
            weld_name_list_add(&left, weld_store_entry_at(r->store, i)->path);
        }
    }
    return left.count ? weld_fail(r->err, WELD_ERROR_FORMAT,
                                  "%s: %zu entries that belong to nothing in it: %s",
                                  weld_store_file(r->store), left.count, left.text)
                      : WELD_OK;
}

static weld_status take_all(reading *r) {
    WELD_TRY(take_texts(r));
    WELD_TRY(take_class_names(r));
    WELD_TRY(take_temperature(r));
    WELD_TRY(weld_model_has_graph(r->mf) ? take_graph(r) : check_size(r));
    WELD_TRY(r->integers ? take_quantization(r) : WELD_OK);
    WELD_TRY(take_tensors(r));
    WELD_TRY(r->integers
                 ? weld_quantization_check(r->mf->graph, r->mf->quantization, r->mf->weights,
                                           weld_store_file(r->store), r->err)
                 : WELD_OK);
    WELD_TRY(r->integers ? WELD_OK : take_codes(r));
    WELD_TRY(r->mf->kind == WELD_MODEL_CHECKPOINT || r->mf->codes ? take_trainer(r) : WELD_OK);
    return check_nothing_left(r);
}

static weld_status read_store(weld_store *store, weld_model_file *mf, weld_error *err) {
    const char *kind = weld_store_kind(store);
    const bool integers = strcmp(kind, weld_model_int8_kind) == 0;
    if (integers || strcmp(kind, weld_model_file_kinds[WELD_MODEL_DEPLOY]) == 0) {
        mf->kind = WELD_MODEL_DEPLOY;
    } else if (strcmp(kind, weld_model_file_kinds[WELD_MODEL_CHECKPOINT]) != 0) {
        return weld_fail(
            err, WELD_ERROR_FORMAT,
            "%s: a \"%s\", neither a checkpoint nor a deploy file: use a later version",
            weld_store_file(store), kind);
    }
    reading r = {.store = store,
                 .integers = integers,
                 .used = weld_alloc(weld_store_count(store), sizeof *r.used),
                 .mf = mf,
                 .err = err};
    weld_status status = r.used ? take_all(&r) : weld_fail_memory(err, weld_store_file(store));
    weld_free(r.used);
    return status;
}

weld_status weld_model_store_read(const char *path, weld_model_file *out, weld_error *err) {
    weld_store *store;
    WELD_TRY(weld_store_open(path, &store, err));
    weld_model_file mf = {0};
    weld_status status = read_store(store, &mf, err);
    weld_store_free(store);
    if (status) {
        weld_model_file_free(&mf);
        return status;
    }
    *out = mf;
    return WELD_OK;
}

void weld_model_file_free(weld_model_file *mf) {
    weld_class_names_free(mf->class_names, mf->config.num_classes);
    weld_weights_free(mf->weights);
    weld_weights_free(mf->moment1);
    weld_weights_free(mf->moment2);
    weld_weights_free(mf->ema);
    weld_free(mf->codes);
    weld_free(mf->steps);
    weld_graph_free(mf->graph);
    if (mf->quantization) {
        weld_quantization_free(mf->quantization);
        weld_free(mf->quantization);
    }
    weld_free(mf->program_version);
    weld_free(mf->recipe);
    weld_free(mf->summary);
    weld_free(mf->verification);
    *mf = (weld_model_file){0};
}

/* --- Is it one to go on from? --- */

weld_status weld_model_file_goes_on(const char *path, bool *goes_on, weld_error *err) {
    struct stat info;
    weld_store *s;
    bool is_there;
    weld_file_kind kind;
    *goes_on = false;
    WELD_TRY(weld_file_is_there(path, &is_there, err));
    if (!is_there || (weld_file_look(path, &info) == 0 && !S_ISREG(info.st_mode))) {
        return WELD_OK;
    }
    WELD_TRY(weld_file_kind_read(path, &kind, err));
    if (kind != WELD_FILE_CHECKPOINT) {
        return WELD_OK;
    }
    const weld_status status = weld_store_open(path, &s, err);
    if (status) {
        return status != WELD_ERROR_FORMAT
                   ? status
                   : weld_fail(err, status,
                               "%s: is a checkpoint that is damaged: cannot tell whether a run "
                               "goes on from it: name another file, or remove it",
                               path);
    }
    *goes_on = has_group(s, WELD_GROUP_MOMENT1 "/");
    weld_store_free(s);
    return WELD_OK;
}
