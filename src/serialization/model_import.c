/* Model files of any kind, and weights that other programs trained; see model_file.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "formats/json.h"
#include "formats/json_tree.h"
#include "formats/shards.h"
#include "models/models.h"
#include "serialization/hub_config.h"
#include "serialization/import_options.h"
#include "serialization/model_metadata.h"
#include "serialization/model_layout.h"
#include "serialization/model_text.h"
#include "serialization/said_variant.h"
#include "serialization/state_load.h"
#include "serialization/take_average.h"
#include "passes/reparameterize.h"

/* A file that weld wrote states everything. */
static weld_status read_store(const char *path, const weld_import_options *o, weld_model_file *mf,
                              weld_error *err) {
    WELD_TRY(weld_model_store_read(path, mf, err));
    WELD_TRY(o->key ? weld_model_take_average(path, o->key, mf, err) : WELD_OK);
    WELD_TRY(weld_import_check_variant(path, &mf->config, o->model, err));
    WELD_TRY(weld_import_check_number(path, "number of classes", mf->config.num_classes,
                                      o->num_classes, err));
    WELD_TRY(weld_import_take_untold(path, o, true, &mf->config, err));
    WELD_TRY(weld_import_check_preprocessing(path, o, &mf->preprocessing, err));
    return weld_import_take_class_names(path, o, mf, err);
}

/* --- Weights of other programs ---------------------------------------------------------------- */

typedef struct importing {
    const char *path;
    const weld_import_options *options;
    weld_said_variant said;
    bool backbone; /* need not have a head */
    weld_state_dict *dict;
    weld_state_index index;
    weld_recognized found;
    weld_model_file *mf;
    weld_error *err;
} importing;

/* A text that weld put beside the tensors; `where` stands in front of messages. */
static const char *metadata(const importing *im, const char *key, char where[512]) {
    snprintf(where, 512, "%.400s: %s", im->path, key);
    return weld_state_dict_metadata(im->dict, key);
}

/* The configuration that weld wrote says more than tensors do, but nothing else than they. */
static weld_status take_stated_config(importing *im, const char *text, const char *where) {
    const weld_model_config *found = &im->found.config;
    weld_model_config c;
    WELD_TRY(weld_model_config_from_text(text, where, &c, im->err));
    if (!weld_model_is_in_files_alone(&c)) { /* else it is all that there is to go by */
        WELD_TRY(weld_import_check_variant(im->path, found, c.name, im->err));
    }
    const unsigned unseen = WELD_KEY_UNTOLD | (im->found.merged ? WELD_KEY_MERGED_AWAY : 0);
    bool same = c.num_classes == found->num_classes || im->found.headless;
    for (const weld_key *key = NULL; (key = weld_family_next_key(weld_family_of(&c), key, 0));) {
        same = same && (key->flags & unseen || weld_key_equal(key, c.values, found->values));
    }
    if (!same) {
        return weld_fail(im->err, WELD_ERROR_FORMAT,
                         "%s: is not of the network that the tensors are of: the text belongs to "
                         "another file",
                         where);
    }
    im->mf->config = c;
    return weld_import_take_untold(im->path, im->options, true, &im->mf->config, im->err);
}

static weld_status settle_config(importing *im) {
    const weld_import_options *o = im->options;
    weld_model_config *c = &im->mf->config, named;
    char where[512], layout[64];
    const char *text = metadata(im, WELD_METADATA_CONFIG, where);
    *c = im->found.config;
    WELD_TRY(text ? take_stated_config(im, text, where) : WELD_OK);
    if (!text) {
        weld_said_variant_find_in_name(im->path, c, &im->said);
    }
    WELD_TRY(weld_said_variant_check(&im->said, im->path, c, im->err));
    WELD_TRY(weld_import_check_number(im->path, "number of classes", c->num_classes, o->num_classes,
                                      im->err));
    if (!text) {
        WELD_TRY(weld_said_variant_take(&im->said, c, im->err));
        WELD_TRY(weld_import_take_untold(im->path, o, false, c, im->err));
    }
    if (!weld_model_is_variant(im->said.name)) {
        return WELD_OK;
    }
    WELD_TRY(weld_model_config_named(im->said.name, &named, im->err));
    if (weld_model_difference(&named, c, WELD_KEY_SIZE)) {
        return WELD_OK;
    }
    memcpy(c->name, named.name, sizeof c->name);
    for (const weld_key *key = NULL;
         im->found.merged && !text &&
         (key = weld_family_next_key(weld_family_of(c), key, WELD_KEY_LAYOUT));) {
        weld_key_text(key, named.values, ",", layout, sizeof layout);
        WELD_TRY(weld_key_set(key, c->values, layout, im->err));
    }
    return WELD_OK;
}

/* Of the hub's file beside the weights, if it is theirs. */
static weld_status take_hub_config(importing *im, const weld_hub_config *hub) {
    weld_model_file *mf = im->mf;
    const int classes = mf->config.num_classes;
    if (hub->num_classes && hub->num_classes != classes) {
        return weld_fail(im->err, WELD_ERROR_FORMAT,
                         "%s: is of a network of %d classes, the weights in %s of %d: move it away "
                         "and state what it would say by options",
                         hub->path, hub->num_classes, im->path, classes);
    }
    mf->preprocessing = hub->preprocessing;
    mf->origin.hub = true;
    if (hub->name_count != classes || im->options->class_names) {
        return WELD_OK;
    }
    mf->class_names = weld_alloc((size_t)classes, sizeof *mf->class_names);
    for (int i = 0; mf->class_names && i < classes; i++) {
        mf->class_names[i] = weld_strdup(hub->class_names[i]);
        if (!mf->class_names[i]) {
            return weld_fail_memory(im->err, "class names");
        }
    }
    return mf->class_names ? WELD_OK : weld_fail_memory(im->err, "class names");
}

static weld_status settle_preprocessing(importing *im) {
    weld_preprocessing *p = &im->mf->preprocessing;
    char where[512];
    const char *text = metadata(im, WELD_METADATA_PREPROCESSING, where);
    if (text) {
        WELD_TRY(weld_preprocessing_from_text(text, where, p, im->err));
        if (im->found.input_size &&
            (im->found.input_size != p->height || im->found.input_size != p->width)) {
            return weld_fail(im->err, WELD_ERROR_FORMAT,
                             "%s: says images of %d, but its tables of positions are for %d", where,
                             p->height, im->found.input_size);
        }
        return weld_import_check_preprocessing(im->path, im->options, p, im->err);
    }
    *p = weld_model_usual_preprocessing(&im->mf->config, im->found.naming);
    p->height = im->found.input_size ? im->found.input_size : p->height;
    p->width = im->found.input_size ? im->found.input_size : p->width;
    weld_hub_config *hub = weld_alloc(1, sizeof *hub);
    if (!hub) {
        return weld_fail_memory(im->err, im->path);
    }
    hub->preprocessing = *p;
    weld_status status = weld_hub_config_read(im->path, hub, im->err);
    if (!status && hub->path[0]) {
        status = take_hub_config(im, hub);
    }
    im->mf->origin.usual = !hub->path[0] && !weld_import_states_preprocessing(im->options);
    weld_hub_config_free(hub);
    weld_free(hub);
    status =
        status ? status
               : weld_import_take_preprocessing(im->path, im->options, &im->mf->config, p, im->err);
    im->mf->origin.tables_from = im->found.input_size != p->height ? im->found.input_size : 0;
    return status;
}

static weld_status settle_class_names(importing *im) {
    char where[512];
    const char *text = metadata(im, WELD_METADATA_CLASS_NAMES, where);
    WELD_TRY(text ? weld_class_names_from_text(text, where, im->mf->config.num_classes,
                                               &im->mf->class_names, im->err)
                  : WELD_OK);
    return weld_import_take_class_names(im->path, im->options, im->mf, im->err);
}

/* The element types of the weights. */
static void note_elements(const importing *im, weld_model_origin *origin) {
    bool any = false;
    for (size_t i = 0; i < weld_state_dict_count(im->dict); i++) {
        const weld_state_entry *entry = weld_state_dict_at(im->dict, i);
        if (weld_element_is_float(entry->element)) {
            origin->mixed = origin->mixed || (any && entry->element != origin->element);
            origin->element = any ? origin->element : entry->element;
            any = true;
        }
    }
}

static void note_origin(importing *im, bool untold) {
    weld_model_origin *origin = &im->mf->origin;
    *origin = (weld_model_origin){.kind = weld_file_kind_of(im->path),
                                  .naming = im->found.naming,
                                  .untold = untold,
                                  .headless = im->found.headless,
                                  .unchecked = weld_state_dict_is_unchecked(im->dict),
                                  .tensors = weld_state_dict_count(im->dict)};
    snprintf(origin->key, sizeof origin->key, "%s", weld_state_dict_key(im->dict));
    snprintf(origin->others, sizeof origin->others, "%s", weld_state_dict_others(im->dict));
    snprintf(origin->prefix, sizeof origin->prefix, "%s", im->index.prefix);
    snprintf(origin->named_by, sizeof origin->named_by, "%s", im->said.by ? im->said.by : "");
    note_elements(im, origin);
}

/* What weld knew of the training, or else where the weights are from. */
static weld_status take_summary(importing *im) {
    const weld_model_origin *origin = &im->mf->origin;
    const char *text = weld_state_dict_metadata(im->dict, WELD_METADATA_SUMMARY);
    if (text) {
        im->mf->summary = weld_strdup(text);
        return im->mf->summary ? WELD_OK : weld_fail_memory(im->err, im->path);
    }
    const char *slash = strrchr(im->path, '/');
    bool wrong;
    json_t *file = weld_json_utf8(slash ? slash + 1 : im->path, &wrong);
    json_t *root = json_pack("{s:o, s:s, s:s, s:s}", "imported_from", wrong ? json_null() : file,
                             "names", origin->naming->name, "state_dict", origin->key, "elements",
                             origin->mixed ? "mixed" : weld_element_name(origin->element));
    return weld_json_text(root, im->path, &im->mf->summary, im->err);
}

static weld_status take_temperature(importing *im) {
    const char *text = weld_state_dict_metadata(im->dict, WELD_METADATA_TEMPERATURE);
    char *end = NULL;
    im->mf->temperature = text ? weld_strtod(text, &end) : 0;
    return !text || (end != text && !*end && weld_is_temperature(im->mf->temperature))
               ? WELD_OK
               : weld_fail(im->err, WELD_ERROR_FORMAT,
                           "%s: %s is no number in %g..%g: the file was not made by weld", im->path,
                           WELD_METADATA_TEMPERATURE, WELD_MIN_TEMPERATURE, WELD_MAX_TEMPERATURE);
}

/* The graph of a merged network is that which merging makes of one that is not. */
static weld_status build_merged(importing *im) {
    const weld_preprocessing *p = &im->mf->preprocessing;
    weld_graph *unmerged;
    weld_status status = weld_model_build(&im->mf->config, false, 1, p->height, p->width, WELD_F32,
                                          &unmerged, im->err);
    if (!status) {
        status = weld_reparameterize_graph(unmerged, &im->mf->graph, im->err);
        weld_graph_free(unmerged);
    }
    return !status ? WELD_OK : weld_fail_context(im->err, status, "%s", im->path);
}

/* The graph that weld put beside the tensors of a network that a program built itself. */
static weld_status take_own_graph(importing *im) {
    char where[512];
    const char *text = metadata(im, WELD_METADATA_GRAPH, where);
    return text ? weld_model_take_graph(text, where, im->mf, im->err)
                : weld_fail(im->err, WELD_ERROR_FORMAT,
                            "%s: is missing, and %s is a network that only its graph tells", where,
                            im->mf->config.name);
}

static weld_status load_tensors(importing *im) {
    const weld_graph *network;
    weld_graph *owned = NULL;
    weld_status status = weld_model_is_in_files_alone(&im->mf->config) ? take_own_graph(im)
                         : im->found.merged                            ? build_merged(im)
                                                                       : WELD_OK;
    if (!status) {
        status = weld_model_network(im->mf, &network, &owned, im->err);
        status = status ? weld_fail_context(im->err, status, "%s", im->path) : status;
    }
    status = status ? status
                    : weld_state_load(&im->index, network, &im->found, &im->mf->config,
                                      &im->mf->weights, &im->mf->origin.passed_over, im->err);
    weld_graph_free(owned);
    return status;
}

/* What network the tensors are of: what weld wrote beside them is to be tried, and, where no family
 * knows its networks, all there is to go by; where nothing is written, the variant that they are
 * said to be of. That it fits is checked with all else later. */
static weld_status find_network(importing *im) {
    char where[512];
    weld_model_config c;
    const char *text = metadata(im, WELD_METADATA_CONFIG, where);
    const char *form = weld_state_dict_metadata(im->dict, WELD_METADATA_FORM);
    const char *said = im->options->model;
    const bool states = text ? weld_model_config_from_text(text, where, &c, NULL) == WELD_OK
                             : said && weld_model_is_variant(said) &&
                                   weld_model_config_named(said, &c, NULL) == WELD_OK;
    if (!states || !weld_model_is_in_files_alone(&c)) {
        return weld_model_recognize(&im->index.names, states ? &c : NULL, &im->found, im->err);
    }
    im->found = (weld_recognized){.config = c,
                                  .naming = weld_model_find_naming(&c, NULL, im->err),
                                  .merged = form && strcmp(form, WELD_FORM_MERGED) == 0};
    return WELD_OK;
}

/* The same, also of a network that was made a list of modules. */
static weld_status find_listed_network(importing *im) {
    weld_error *err = im->err, unsaid;
    const weld_state_index plain = im->index;
    weld_status status = find_network(im), first = status;
    if (!status || status == WELD_ERROR_MEMORY) {
        return status;
    }
    status = weld_state_index_create(im->dict, plain.prefix, true, &im->index, &unsaid);
    if (status) {
        im->index = plain;
        return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, im->path) : first;
    }
    im->err = &unsaid;
    status = find_network(im);
    im->err = err;
    weld_state_index other = status ? im->index : plain;
    im->index = status ? plain : im->index;
    weld_state_index_free(&other);
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, im->path) : status ? first : WELD_OK;
}

/* The same, also where wrappers of the network (of torch.compile, Lightning and the like) put
 * something in front of all names. The message is of the names as they are. */
static weld_status find_wrapped_network(importing *im) {
    enum { WRAPPERS = 4 };
    char prefix[WELD_PREFIX_SIZE];
    weld_error *err = im->err, unsaid;
    weld_status status = find_listed_network(im), first = status;
    im->err = &unsaid;
    for (int i = 0; status == WELD_ERROR_NOT_FOUND && i < WRAPPERS &&
                    weld_state_index_next_prefix(&im->index, prefix);
         i++) {
        weld_state_index inner;
        status = weld_state_index_create(im->dict, prefix, false, &inner, err);
        first = status ? status : first;
        if (!status) {
            weld_state_index_free(&im->index);
            im->index = inner;
            status = find_listed_network(im);
        }
    }
    im->err = err;
    return status == WELD_ERROR_MEMORY ? weld_fail_memory(err, im->path) : status ? first : WELD_OK;
}

/* One file of several has tensors of a network, but not all. */
static weld_status fail_of_shard(importing *im, weld_status status) {
    char index[512];
    int count;
    return weld_shards_is_one(im->path, index, sizeof index, &count)
               ? weld_fail(im->err, status,
                           "%s: is one of %d files that hold a network together: give their index "
                           "in its place (%s)",
                           im->path, count, index)
               : status;
}

static weld_status import_all(importing *im) {
    char where[512];
    const bool ours = metadata(im, WELD_METADATA_CONFIG, where) != NULL;
    WELD_TRY(ours && !im->options->model
                 ? WELD_OK
                 : weld_said_variant_find(im->path, im->options->model, &im->said, im->err));
    weld_status status = find_wrapped_network(im);
    if (status) {
        return weld_fail_context(im->err, status, "%s", im->path);
    }
    if (im->found.headless && !im->backbone) {
        return weld_fail(im->err, WELD_ERROR_SHAPE,
                         "%s: is a %s without its head, which does not classify: weld train --init "
                         "makes a new one, and weld run --features gives the maps before it",
                         im->path, im->found.config.name);
    }
    im->mf->kind = im->found.merged ? WELD_MODEL_DEPLOY : WELD_MODEL_CHECKPOINT;
    im->mf->trainer.best_epoch = -1;
    WELD_TRY(settle_config(im));
    note_origin(im, !ours);
    WELD_TRY(settle_preprocessing(im));
    WELD_TRY(settle_class_names(im));
    WELD_TRY(load_tensors(im));
    WELD_TRY(take_temperature(im));
    return take_summary(im);
}

static weld_status import_state_dict(const char *path, const weld_import_options *o, bool backbone,
                                     weld_model_file *mf, weld_error *err) {
    importing im = {.path = path, .options = o, .backbone = backbone, .mf = mf, .err = err};
    WELD_TRY(weld_state_dict_open(path, o->key, &im.dict, err));
    weld_status status = weld_state_index_create(im.dict, "", false, &im.index, err);
    if (!status) {
        status = import_all(&im);
        status = status == WELD_ERROR_MEMORY ? status
                 : status                    ? fail_of_shard(&im, status)
                                             : status;
        weld_state_index_free(&im.index);
    }
    weld_state_dict_free(im.dict);
    return status;
}

/* A run's folder, as a rule: the file that is meant is in it. */
static weld_status fail_folder(const char *path, weld_error *err) {
    static const char *const names[] = {"best.h5", "last.h5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[4200];
        snprintf(file, sizeof file, "%.4096s/%s", path, names[i]);
        if (access(file, F_OK) == 0) {
            return weld_fail(err, WELD_ERROR_ARGUMENT,
                             "%s: is the folder of a training run: name a file in it: %s", path,
                             file);
        }
    }
    return weld_fail(err, WELD_ERROR_ARGUMENT, "%s: this is a folder: name a file", path);
}

static weld_status import(const char *path, const weld_import_options *options, bool backbone,
                          weld_model_file *out, weld_error *err) {
    static const weld_import_options none;
    const weld_import_options *o = options ? options : &none;
    weld_file_kind kind = weld_file_kind_of(path);
    weld_model_file mf = {0};
    weld_status status;
    if (kind == WELD_FILE_FOLDER) {
        return fail_folder(path, err);
    }
    if (kind == WELD_FILE_PTH || kind == WELD_FILE_PICKLE || kind == WELD_FILE_SAFETENSORS ||
        kind == WELD_FILE_SHARDS) {
        status = import_state_dict(path, o, backbone, &mf, err);
    } else {
        status = read_store(path, o, &mf, err);
    }
    if (status) {
        weld_model_file_free(&mf);
        return status;
    }
    *out = mf;
    return WELD_OK;
}

weld_status weld_model_file_import(const char *path, const weld_import_options *options,
                                   weld_model_file *out, weld_error *err) {
    return import(path, options, false, out, err);
}

weld_status weld_model_file_import_backbone(const char *path, const weld_import_options *options,
                                            weld_model_file *out, weld_error *err) {
    return import(path, options, true, out, err);
}

weld_status weld_model_file_read(const char *path, weld_model_file *out, weld_error *err) {
    return weld_model_file_import(path, NULL, out, err);
}
