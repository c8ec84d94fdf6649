/* Recipe files as YAML; see recipe_yaml.h. */
#include "recipe/recipe_yaml.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/memory.h"

#define SECTIONS_MAX 8
#define GROUPS_MAX 4
#define GROUP_KEYS_MAX 16
#define BRACKETS_MAX 100
#define VALUE_LENGTH_MAX (WELD_RECIPE_PATH_SIZE - 1)

/* --- positions and names: libyaml --- */

typedef struct scan {
    const weld_recipe_keys *keys;
    const char *where;
    bool is_file;
    yaml_document_t document;
    weld_recipe_lines *lines;
    weld_error *err;
    bool group_off; /* null stands in the place of a group of keys */
} scan;

static weld_status fail_at(const char *where, bool is_file, int line, weld_error *err,
                           const char *reason) {
    return is_file ? weld_fail(err, WELD_ERROR_ARGUMENT, "%s:%d: %s", where, line, reason)
                   : weld_fail(err, WELD_ERROR_ARGUMENT, "%s: %s", where, reason);
}

static weld_status scan_fail(scan *s, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static weld_status scan_fail(scan *s, const yaml_node_t *node, const char *format, ...) {
    char reason[WELD_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return fail_at(s->where, s->is_file, (int)node->start_mark.line + 1, s->err, reason);
}

static const char *scalar_text(const yaml_node_t *node) {
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* Levenshtein's distance, for names of up to 31 letters. */
static int edit_distance(const char *a, const char *b) {
    int row[32];
    size_t la = strlen(a), lb = strlen(b);
    if (la > 31 || lb > 31) {
        return 99;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = (int)j;
    }
    for (size_t i = 1; i <= la; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[lb];
}

static weld_status fail_unknown_section(scan *s, const yaml_node_t *node, const char *name) {
    for (size_t i = 0; i < s->keys->count; i++) {
        if (strcmp(s->keys->at[i].row->name, name) == 0) {
            return scan_fail(s, node, "%s: unknown section: the key %s stands under %s:", name,
                             name, s->keys->at[i].section);
        }
    }
    return scan_fail(s, node,
                     "%.80s: unknown section: there are model, data, augment, loss, "
                     "optimizer, schedule and train",
                     name);
}

static weld_status fail_unknown_key(scan *s, const yaml_node_t *node, const char *section,
                                    const char *name) {
    const weld_recipe_key *near = NULL;
    int nearest = 3;
    for (size_t i = 0; i < s->keys->count; i++) {
        const weld_recipe_key *key = &s->keys->at[i];
        bool here = strcmp(key->section, section) == 0;
        int distance = edit_distance(key->row->name, name);
        if (!here && distance == 0) {
            return scan_fail(s, node, "%s.%s: unknown key: it stands under %s:", section, name,
                             key->section);
        }
        if (here && distance < nearest) {
            nearest = distance;
            near = key;
        }
    }
    if (near) {
        return scan_fail(s, node, "%s.%.80s: unknown key: did you mean %s?", section, name,
                         near->row->name);
    }
    return scan_fail(s, node, "%s.%.80s: unknown key: recipes/README.md lists them all", section,
                     name);
}

static weld_status scan_key(scan *s, const char *section, const char *name,
                            const yaml_node_t *node) {
    for (size_t i = 0; i < s->keys->count; i++) {
        const weld_recipe_key *key = &s->keys->at[i];
        if (strcmp(key->section, section) == 0 && strcmp(key->row->name, name) == 0) {
            if (s->lines->line[i]) {
                return scan_fail(s, node, "%s.%s: given twice, first on line %d: remove one",
                                 section, name, s->lines->line[i]);
            }
            s->lines->line[i] = (int)node->start_mark.line + 1;
            return WELD_OK;
        }
    }
    return fail_unknown_key(s, node, section, name);
}

static const char *first_key(const scan *s, const char *section) {
    size_t i = 0;
    while (strcmp(s->keys->at[i].section, section) != 0) {
        i++;
    }
    return s->keys->at[i].row->name;
}

/* The first key of the group NAME in a section: keys of a group are called "NAME.KEY". The count of
 * all keys where there is no such group. */
static size_t first_of_group(const scan *s, const char *section, const char *name) {
    size_t i = 0, length = strlen(name);
    while (i < s->keys->count && (strcmp(s->keys->at[i].section, section) ||
                                  strncmp(s->keys->at[i].row->name, name, length) ||
                                  s->keys->at[i].row->name[length] != '.')) {
        i++;
    }
    return i;
}

static bool is_off(const yaml_node_t *value) {
    const char *text = scalar_text(value);
    return text && (!*text || !strcmp(text, "null") || !strcmp(text, "~") || !strcmp(text, "none"));
}

/* A group of keys is a map; null in its place is null for the first of its keys. */
static weld_status scan_group(scan *s, const char *section, size_t first, const yaml_node_t *node,
                              const yaml_node_t *value) {
    const char *group = scalar_text(node);
    if (is_off(value)) {
        s->group_off = true;
        return scan_key(s, section, s->keys->at[first].row->name, node);
    }
    if (value->type != YAML_MAPPING_NODE) {
        return scan_fail(s, value, "%s.%s: must hold keys, as in '%s: {%s: ...}'", section, group,
                         group, strchr(s->keys->at[first].row->name, '.') + 1);
    }
    for (yaml_node_pair_t *p = value->data.mapping.pairs.start; p < value->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(&s->document, p->key);
        const char *word = scalar_text(key);
        char name[128];
        if (!word) {
            return scan_fail(s, key, "%s.%s: a key must be a word", section, group);
        }
        snprintf(name, sizeof name, "%s.%.80s", group, word);
        weld_status status = scan_key(s, section, name, key);
        if (status) {
            return status;
        }
    }
    return WELD_OK;
}

static weld_status scan_member(scan *s, const char *section, const yaml_node_t *node,
                               const yaml_node_t *value) {
    const char *name = scalar_text(node);
    if (!name) {
        return scan_fail(s, node, "%s: a key must be a word", section);
    }
    size_t group = first_of_group(s, section, name);
    return group < s->keys->count ? scan_group(s, section, group, node, value)
                                  : scan_key(s, section, name, node);
}

static weld_status scan_section(scan *s, const yaml_node_t *node, const yaml_node_t *value) {
    const char *name = scalar_text(node);
    size_t i = 0;
    while (name && weld_recipe_sections[i] && strcmp(weld_recipe_sections[i], name) != 0) {
        i++;
    }
    if (!name || !weld_recipe_sections[i]) {
        return fail_unknown_section(s, node, name ? name : "?");
    }
    if (value->type != YAML_MAPPING_NODE) {
        return scan_fail(s, value, "%s: must hold keys, as in '%s: {%s: ...}'", name, name,
                         first_key(s, name));
    }
    for (yaml_node_pair_t *p = value->data.mapping.pairs.start; p < value->data.mapping.pairs.top;
         p++) {
        weld_status status = scan_member(s, name, yaml_document_get_node(&s->document, p->key),
                                         yaml_document_get_node(&s->document, p->value));
        if (status) {
            return status;
        }
    }
    return WELD_OK;
}

static weld_status scan_document(scan *s) {
    const yaml_node_t *root = yaml_document_get_root_node(&s->document);
    if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)) {
        return WELD_OK;
    }
    if (root->type != YAML_MAPPING_NODE) {
        return scan_fail(s, root, "a recipe is a map of sections, as in 'model: {name: ...}'");
    }
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
         p++) {
        weld_status status = scan_section(s, yaml_document_get_node(&s->document, p->key),
                                          yaml_document_get_node(&s->document, p->value));
        if (status) {
            return status;
        }
    }
    return WELD_OK;
}

static weld_status fail_syntax(const scan *s, const yaml_parser_t *parser) {
    char reason[256];
    if (parser->error == YAML_MEMORY_ERROR) {
        return weld_fail_memory(s->err, s->where);
    }
    snprintf(reason, sizeof reason, "not valid YAML: %s%s%s",
             parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
             parser->context ? parser->context : "");
    return fail_at(s->where, s->is_file, (int)parser->problem_mark.line + 1, s->err, reason);
}

/* libyaml looks at every open bracket again for each token: a hundred thousand of them keep it busy
 * for minutes. Brackets in quotes and comments are counted too, since no recipe has as many. */
static weld_status check_brackets(const scan *s, const char *text, size_t size) {
    int open = 0, line = 1;
    for (size_t i = 0; i < size; i++) {
        line += text[i] == '\n';
        open += text[i] == '[' || text[i] == '{';
        open -= open > 0 && (text[i] == ']' || text[i] == '}');
        if (open > BRACKETS_MAX) {
            return fail_at(s->where, s->is_file, line, s->err,
                           "not valid YAML: more than 100 open brackets: that is no recipe");
        }
    }
    return WELD_OK;
}

/* Names and lines of all keys; everything wrong with names is found here. */
static weld_status scan_text(scan *s, const char *text, size_t size) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return weld_fail_memory(s->err, s->where);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    weld_status status = WELD_OK;
    if (!yaml_parser_load(&parser, &s->document)) {
        status = fail_syntax(s, &parser);
    } else {
        status = scan_document(s);
        bool more = yaml_document_get_root_node(&s->document) != NULL;
        yaml_document_delete(&s->document);
        if (!status && more) {
            if (!yaml_parser_load(&parser, &s->document)) {
                status = fail_syntax(s, &parser);
            } else {
                const yaml_node_t *root = yaml_document_get_root_node(&s->document);
                if (root) {
                    status = scan_fail(s, root, "a second document begins: a recipe is one");
                }
                yaml_document_delete(&s->document);
            }
        }
    }
    yaml_parser_delete(&parser);
    return status;
}

/* The value of a key of a map; NULL where there is none. */
static const yaml_node_t *member_of(yaml_document_t *document, const yaml_node_t *map,
                                    const char *name) {
    const yaml_node_t *found = NULL;
    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const char *key = scalar_text(yaml_document_get_node(document, p->key));
        found = key && strcmp(key, name) == 0 ? yaml_document_get_node(document, p->value) : found;
    }
    return found;
}

bool weld_recipe_yaml_model(const char *text, size_t size, char name[WELD_MODEL_NAME_SIZE]) {
    yaml_parser_t parser;
    yaml_document_t document;
    scan s = {.where = ""};
    bool found = false;
    if (check_brackets(&s, text, size) || !yaml_parser_initialize(&parser)) {
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (yaml_parser_load(&parser, &document)) {
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        const yaml_node_t *model = member_of(&document, root, "model");
        const yaml_node_t *value = member_of(&document, model, "name");
        const char *word = value ? scalar_text(value) : NULL;
        found = word && strlen(word) < WELD_MODEL_NAME_SIZE;
        snprintf(name, found ? WELD_MODEL_NAME_SIZE : 0, "%s", found ? word : "");
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return found;
}

/* --- values: libcyaml --- */

/* The schema, made from the table of keys. */
typedef struct schema {
    const weld_recipe_keys *from;
    cyaml_schema_field_t keys[SECTIONS_MAX][WELD_RECIPE_KEYS_MAX + 1];
    cyaml_schema_field_t grouped[GROUPS_MAX][GROUP_KEYS_MAX + 1];
    char group_names[GROUPS_MAX][32];
    size_t groups;
    cyaml_schema_field_t sections[SECTIONS_MAX];
    cyaml_schema_value_t root;
} schema;

static const cyaml_schema_value_t list_entry = {.type = CYAML_STRING,
                                                .flags = CYAML_FLAG_POINTER,
                                                .data_size = sizeof(char),
                                                .string = {.min = 0, .max = VALUE_LENGTH_MAX}};

static cyaml_schema_field_t key_field(const schema *s, size_t i) {
    const weld_recipe_key *key = &s->from->at[i];
    const char *dot = strchr(key->row->name, '.');
    cyaml_schema_field_t field = {
        .key = dot ? dot + 1 : key->row->name,
        .data_offset = (uint32_t)(offsetof(weld_recipe_values, value) + i * sizeof(void *)),
        .value = {.type = CYAML_STRING,
                  .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL_STR,
                  .data_size = sizeof(char),
                  .string = {.min = 0, .max = VALUE_LENGTH_MAX}}};
    if (key->row->max_count > 1) {
        field.count_offset = (uint32_t)(offsetof(weld_recipe_values, count) + i * sizeof(uint32_t));
        field.count_size = sizeof(uint32_t);
        field.value = (cyaml_schema_value_t){.type = CYAML_SEQUENCE,
                                             .flags = CYAML_FLAG_OPTIONAL |
                                                      CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_FLOW,
                                             .data_size = sizeof(char *),
                                             .sequence = {.entry = &list_entry,
                                                          .min = (uint32_t)key->row->min_count,
                                                          .max = (uint32_t)key->row->max_count}};
    }
    return field;
}

/* The field of the group that starts with key `first`; its keys follow one another in the table. */
static cyaml_schema_field_t group_field(schema *s, size_t first, bool off) {
    const weld_recipe_key *key = &s->from->at[first];
    size_t length = (size_t)(strchr(key->row->name, '.') - key->row->name), count = 0;
    char *name = s->group_names[s->groups];
    cyaml_schema_field_t *fields = s->grouped[s->groups++];
    snprintf(name, sizeof s->group_names[0], "%.*s", (int)length, key->row->name);
    for (size_t i = first; i < s->from->count && count < GROUP_KEYS_MAX &&
                           strncmp(s->from->at[i].row->name, key->row->name, length + 1) == 0;
         i++) {
        fields[count++] = key_field(s, i);
    }
    if (off) {
        return (cyaml_schema_field_t){
            .key = name, .value = {.type = CYAML_IGNORE, .flags = CYAML_FLAG_OPTIONAL}};
    }
    return (cyaml_schema_field_t){.key = name,
                                  .value = {.type = CYAML_MAPPING,
                                            .flags = CYAML_FLAG_OPTIONAL,
                                            .data_size = sizeof(weld_recipe_values),
                                            .mapping = {.fields = fields}}};
}

static bool starts_group(const schema *s, size_t i) {
    const char *name = s->from->at[i].row->name, *dot = strchr(name, '.');
    return dot && (i == 0 || strncmp(s->from->at[i - 1].row->name, name, (size_t)(dot - name) + 1));
}

static void make_schema(schema *s, const weld_recipe_keys *keys, bool group_off) {
    memset(s, 0, sizeof *s);
    s->from = keys;
    for (size_t section = 0; weld_recipe_sections[section]; section++) {
        const char *name = weld_recipe_sections[section];
        size_t count = 0;
        for (size_t i = 0; i < s->from->count; i++) {
            if (strcmp(s->from->at[i].section, name) != 0) {
                continue;
            }
            if (!strchr(s->from->at[i].row->name, '.')) {
                s->keys[section][count++] = key_field(s, i);
            } else if (starts_group(s, i)) {
                s->keys[section][count++] = group_field(s, i, group_off);
            }
        }
        s->sections[section] =
            (cyaml_schema_field_t){.key = name,
                                   .value = {.type = CYAML_MAPPING,
                                             .flags = CYAML_FLAG_OPTIONAL,
                                             .data_size = sizeof(weld_recipe_values),
                                             .mapping = {.fields = s->keys[section]}}};
    }
    s->root = (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                     .flags = CYAML_FLAG_POINTER,
                                     .data_size = sizeof(weld_recipe_values),
                                     .mapping = {.fields = s->sections}};
}

/* What libcyaml says when it fails: a message, then a backtrace of fields from the inside out, each
 * with its line. */
typedef struct cyaml_complaint {
    char message[160];
    char field[3][64]; /* key, its group if it is in one, section */
    int fields, line;
} cyaml_complaint;

static void hear(cyaml_log_t level, void *context, const char *format, va_list args) {
    (void)level;
    cyaml_complaint *c = context;
    char text[256], name[64];
    int line;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    if (!c->message[0]) {
        const char *colon = strstr(text, ": ");
        snprintf(c->message, sizeof c->message, "%.150s", colon ? colon + 2 : text);
    }
    const char *place = strstr(text, "(line: ");
    if (place && sscanf(place, "(line: %d", &line) == 1 && c->line == 0) {
        c->line = line;
    }
    if (sscanf(text, " in mapping field '%63[^']'", name) == 1 && c->fields < 3) {
        snprintf(c->field[c->fields++], sizeof c->field[0], "%s", name);
    }
}

static weld_status fail_structure(const scan *s, const cyaml_complaint *c, weld_error *err) {
    char reason[512] = "", name[130] = "";
    if (c->fields == 2) {
        snprintf(name, sizeof name, "%s", c->field[0]);
    } else if (c->fields == 3) {
        snprintf(name, sizeof name, "%s.%s", c->field[1], c->field[0]);
    }
    for (size_t i = 0; i < s->keys->count && c->fields >= 2; i++) {
        const weld_recipe_key *key = &s->keys->at[i];
        if (strcmp(key->row->name, name) || strcmp(key->section, c->field[c->fields - 1])) {
            continue;
        }
        if (key->row->max_count == 1) {
            snprintf(reason, sizeof reason, "%s.%s: takes one value, no list or map", key->section,
                     key->row->name);
        } else if (key->row->min_count == key->row->max_count) {
            snprintf(reason, sizeof reason, "%s.%s: takes a list of %d values, as [1, 2]",
                     key->section, key->row->name, key->row->max_count);
        } else {
            snprintf(reason, sizeof reason, "%s.%s: takes a list of %d to %d values, as [1, 2]",
                     key->section, key->row->name, key->row->min_count, key->row->max_count);
        }
    }
    if (!reason[0]) {
        snprintf(reason, sizeof reason, "%s", c->message);
    }
    return fail_at(s->where, s->is_file, c->line, err, reason);
}

weld_status weld_recipe_yaml_read(const weld_recipe_keys *keys, const char *where, bool is_file,
                                  const char *text, size_t size, weld_recipe_lines *lines,
                                  weld_recipe_values **values, weld_error *err) {
    scan s = {.keys = keys, .where = where, .is_file = is_file, .lines = lines, .err = err};
    *values = NULL;
    memset(lines, 0, sizeof *lines);
    weld_status status = check_brackets(&s, text, size);
    if (!status) {
        status = scan_text(&s, text, size);
    }
    if (status) {
        return status;
    }
    schema *read = weld_alloc(1, sizeof *read);
    if (!read) {
        return weld_fail_memory(err, where);
    }
    make_schema(read, keys, s.group_off);
    cyaml_complaint complaint = {.message = ""};
    cyaml_config_t config = {
        .log_fn = hear, .log_ctx = &complaint, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};
    cyaml_err_t failure = cyaml_load_data((const uint8_t *)text, size, &config, &read->root,
                                          (cyaml_data_t **)values, NULL);
    weld_free(read);
    if (failure == CYAML_ERR_OOM) {
        return weld_fail_memory(err, where);
    }
    return failure ? fail_structure(&s, &complaint, err) : WELD_OK;
}

void weld_recipe_yaml_free(const weld_recipe_keys *keys, weld_recipe_values *values) {
    /* What cyaml_load_data made is released by the same allocator, value by value, without need of
     * the schema. */
    for (size_t i = 0; values && i < keys->count; i++) {
        if (keys->at[i].row->max_count > 1 && values->value[i]) {
            char **list = values->value[i];
            for (uint32_t element = 0; element < values->count[i]; element++) {
                cyaml_mem(NULL, list[element], 0);
            }
        }
        cyaml_mem(NULL, values->value[i], 0);
    }
    cyaml_mem(NULL, values, 0);
}

weld_status weld_recipe_yaml_write(const weld_recipe_keys *keys, const weld_recipe_values *values,
                                   char **text, weld_error *err) {
    schema *write = weld_alloc(1, sizeof *write);
    if (!write) {
        return weld_fail_memory(err, "recipe");
    }
    make_schema(write, keys, false);
    cyaml_complaint complaint = {.message = ""};
    cyaml_config_t config = {.log_fn = hear,
                             .log_ctx = &complaint,
                             .mem_fn = cyaml_mem,
                             .log_level = CYAML_LOG_ERROR,
                             .flags = CYAML_CFG_STYLE_BLOCK};
    char *made = NULL;
    size_t length = 0;
    cyaml_err_t failure = cyaml_save_data(&made, &length, &config, &write->root, values, 0);
    weld_free(write);
    if (failure) {
        return weld_fail(err, failure == CYAML_ERR_OOM ? WELD_ERROR_MEMORY : WELD_ERROR_ARGUMENT,
                         "recipe: cannot be written as YAML: %s", cyaml_strerror(failure));
    }
    *text = weld_alloc_raw(length + 1, 1);
    if (*text) {
        memcpy(*text, made, length);
        (*text)[length] = 0;
    }
    cyaml_mem(NULL, made, 0);
    return *text ? WELD_OK : weld_fail_memory(err, "recipe");
}
