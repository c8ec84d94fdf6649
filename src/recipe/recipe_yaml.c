/* Recipe files as YAML; see recipe_yaml.h. */
#include "recipe/recipe_yaml.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/locale.h"
#include "base/memory.h"
#include "base/text.h"

#define SECTIONS_MAX 9
#define GROUPS_MAX 4
#define GROUP_KEYS_MAX 16
#define VALUE_LENGTH_MAX (WELD_RECIPE_PATH_SIZE - 1)

/* The schema, made from the table of keys. */
typedef struct schema {
    const weld_recipe_keys *from;
    const bool *lone; /* by key: of a list that may be one value, it is */
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
    if (key->row->max_count > 1 && !((key->row->flags & WELD_KEY_LONE) && s->lone[i])) {
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

static void make_schema(schema *s, const weld_recipe_keys *keys, const bool *lone, bool group_off) {
    memset(s, 0, sizeof *s);
    s->from = keys;
    s->lone = lone;
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
    weld_vsnprintf(text, sizeof text, format, args);
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

/* What libyaml fails at is memory: what is read it has read once already (weld_recipe_scan), and
 * what is written is made here. */
static bool is_memory(cyaml_err_t failure) {
    return failure == CYAML_ERR_OOM || failure == CYAML_ERR_LIBYAML_PARSER_INIT ||
           failure == CYAML_ERR_LIBYAML_PARSER || failure == CYAML_ERR_LIBYAML_EMITTER_INIT ||
           failure == CYAML_ERR_LIBYAML_EVENT_INIT || failure == CYAML_ERR_LIBYAML_EMITTER;
}

static weld_status fail_structure(const weld_recipe_keys *keys, const char *where, bool is_file,
                                  const cyaml_complaint *c, weld_error *err) {
    char reason[512] = "", name[130] = "";
    if (c->fields == 2) {
        snprintf(name, sizeof name, "%s", c->field[0]);
    } else if (c->fields == 3) {
        snprintf(name, sizeof name, "%s.%s", c->field[1], c->field[0]);
    }
    for (size_t i = 0; i < keys->count && c->fields >= 2; i++) {
        const weld_recipe_key *key = &keys->at[i];
        if (strcmp(key->row->name, name) || strcmp(key->section, c->field[c->fields - 1])) {
            continue;
        }
        if (key->row->max_count == 1) {
            snprintf(reason, sizeof reason, "%s.%s: takes one value, no list or map", key->section,
                     key->row->name);
        } else if (key->row->min_count == key->row->max_count) {
            char example[80] = "1";
            for (int k = 2; k <= key->row->max_count; k++) {
                weld_append(example, sizeof example, ", %d", k);
            }
            snprintf(reason, sizeof reason, "%s.%s: takes a list of %d values, as [%s]",
                     key->section, key->row->name, key->row->max_count, example);
        } else if (key->row->type == WELD_KEY_TEXT) {
            snprintf(reason, sizeof reason, "%s.%s: takes a list of names, as [cat, dog]",
                     key->section, key->row->name);
        } else {
            snprintf(reason, sizeof reason, "%s.%s: takes a list of %d to %d values, as [1, 2]",
                     key->section, key->row->name, key->row->min_count, key->row->max_count);
        }
    }
    if (!reason[0]) {
        snprintf(reason, sizeof reason, "%s", c->message);
    }
    return weld_recipe_fail_at(where, is_file, c->line, err, reason);
}

weld_status weld_recipe_yaml_read(const weld_recipe_keys *keys, const char *where, bool is_file,
                                  const char *text, size_t size, weld_recipe_lines *lines,
                                  weld_recipe_values **values, weld_error *err) {
    bool group_off;
    *values = NULL;
    WELD_TRY(weld_recipe_scan(keys, where, is_file, text, size, lines, &group_off, err));
    schema *read = weld_alloc(1, sizeof *read);
    if (!read) {
        return weld_fail_memory(err, where);
    }
    make_schema(read, keys, lines->lone, group_off);
    cyaml_complaint complaint = {.message = ""};
    cyaml_config_t config = {
        .log_fn = hear, .log_ctx = &complaint, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};
    cyaml_err_t failure = cyaml_load_data((const uint8_t *)text, size, &config, &read->root,
                                          (cyaml_data_t **)values, NULL);
    weld_free(read);
    if (is_memory(failure)) {
        return weld_fail_memory(err, where);
    }
    return failure ? fail_structure(keys, where, is_file, &complaint, err) : WELD_OK;
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
    bool lone[WELD_RECIPE_KEYS_MAX];
    for (size_t i = 0; i < keys->count; i++) {
        lone[i] = values->count[i] == 0;
    }
    make_schema(write, keys, lone, false);
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
        return is_memory(failure)
                   ? weld_fail_memory(err, "recipe")
                   : weld_fail(err, WELD_ERROR_ARGUMENT, "recipe: cannot be written as YAML: %s",
                               cyaml_strerror(failure));
    }
    *text = weld_alloc_raw(length + 1, 1);
    if (*text) {
        memcpy(*text, made, length);
        (*text)[length] = 0;
    }
    cyaml_mem(NULL, made, 0);
    return *text ? WELD_OK : weld_fail_memory(err, "recipe");
}
