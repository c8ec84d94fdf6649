/* Names of tensors, for the files of families; see names.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/models.h"

/* Append a pattern with its numbers filled in; false where it does not fit. */
static bool add_pattern(const char *pattern, const weld_named_place *at,
                        char out[WELD_TENSOR_NAME_SIZE]) {
    size_t used = strlen(out);
    for (; *pattern && used < WELD_TENSOR_NAME_SIZE; pattern++) {
        int number = at->stage;
        if (*pattern != '{') {
            out[used++] = *pattern;
            continue;
        }
        number = pattern[1] == 'b' ? at->block : pattern[1] == 'f' ? at->feature : number;
        used += (size_t)snprintf(out + used, WELD_TENSOR_NAME_SIZE - used, "%d", number);
        pattern += 2;
    }
    if (used >= WELD_TENSOR_NAME_SIZE) {
        return false;
    }
    out[used] = 0;
    return true;
}

bool weld_place_tensor_name(const weld_named_place *at, size_t naming, const char *module,
                            char out[WELD_TENSOR_NAME_SIZE]) {
    for (const weld_module_names *m = at->names->modules; m->in[0]; m++) {
        size_t length = strlen(m->in[0]);
        if (strncmp(module, m->in[0], length) == 0 && module[length] == '.') {
            const char *place = at->names->place.in[naming];
            out[0] = 0;
            return add_pattern(place, at, out) && add_pattern(*place ? "." : "", at, out) &&
                   add_pattern(m->in[naming], at, out) && add_pattern(module + length, at, out);
        }
    }
    return false;
}

/* --- Rows of modules --------------------------------------------------------------------------
 */

enum { MAX_NUMBER = 1 << 20 };

/* Does `text`, of `length` characters, fit the pattern? Its numbers by their letters. */
static bool fits_pattern(const char *pattern, const char *text, size_t length, long numbers[256]) {
    const char *end = text + length;
    for (; *pattern && text < end; pattern++) {
        if (*pattern != '{') {
            if (*pattern != *text++) {
                return false;
            }
            continue;
        }
        long number = 0;
        const char *first = text;
        for (; text < end && *text >= '0' && *text <= '9' && number < MAX_NUMBER; text++) {
            number = 10 * number + (*text - '0');
        }
        if (text == first || (*first == '0' && text > first + 1)) {
            return false;
        }
        numbers[(unsigned char)pattern[1]] = number;
        pattern += 2;
    }
    return !*pattern && text == end;
}

static bool fill_pattern(const char *pattern, const long numbers[256],
                         char out[WELD_TENSOR_NAME_SIZE]) {
    size_t used = 0;
    for (; *pattern && used < WELD_TENSOR_NAME_SIZE; pattern++) {
        if (*pattern != '{') {
            out[used++] = *pattern;
            continue;
        }
        long step = pattern[2] == '+' ? 1 : pattern[2] == '-' ? -1 : 0;
        used += (size_t)snprintf(out + used, WELD_TENSOR_NAME_SIZE - used, "%ld",
                                 numbers[(unsigned char)pattern[1]] + step);
        pattern = strchr(pattern, '}');
    }
    if (used >= WELD_TENSOR_NAME_SIZE) {
        return false;
    }
    out[used] = 0;
    return true;
}

bool weld_row_tensor_name(const weld_module_row *rows, size_t naming, const char *name,
                          char out[WELD_TENSOR_NAME_SIZE]) {
    const char *tensor = strrchr(name, '.');
    long numbers[256] = {0};
    for (; tensor && rows->own; rows++) {
        if (fits_pattern(rows->own, name, (size_t)(tensor - name), numbers)) {
            return fill_pattern(rows->in[naming], numbers, out) &&
                   strlen(out) + strlen(tensor) < WELD_TENSOR_NAME_SIZE && strcat(out, tensor);
        }
    }
    return false;
}

weld_shape weld_naming_shape(const weld_naming *naming, const char *name, weld_shape shape) {
    for (const char *const *linear = naming->linear; linear && *linear; linear++) {
        if (strcmp(*linear, name) == 0 && shape.rank == 4) {
            shape.rank = 2;
        }
    }
    return shape;
}

bool weld_family_tensor_name(const weld_model_family *family, const weld_model_config *config,
                             const weld_naming *naming, const char *name,
                             char out[WELD_TENSOR_NAME_SIZE]) {
    return family->tensor_name
               ? family->tensor_name(config, naming, name, out)
               : weld_row_tensor_name(family->rows, (size_t)(naming - family->namings), name, out);
}

/* --- Looking up ------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b) {
    const weld_named_shape *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

weld_status weld_shape_index_create(const weld_named_shape *tensors, size_t count,
                                    weld_shape_index *out, weld_error *err) {
    *out = (weld_shape_index){.sorted = weld_alloc(count, sizeof *out->sorted), .count = count};
    if (!out->sorted) {
        return weld_fail_memory(err, "names of tensors");
    }
    for (size_t i = 0; i < count; i++) {
        out->sorted[i] = &tensors[i];
    }
    qsort(out->sorted, count, sizeof *out->sorted, compare_names);
    return WELD_OK;
}

void weld_shape_index_free(weld_shape_index *index) {
    weld_free(index->sorted);
    *index = (weld_shape_index){0};
}

const weld_named_shape *weld_shape_index_find(const weld_shape_index *index, const char *name) {
    const weld_named_shape key = {.name = name}, *const at = &key;
    const weld_named_shape **found =
        bsearch(&at, index->sorted, index->count, sizeof *index->sorted, compare_names);
    return found ? *found : NULL;
}
