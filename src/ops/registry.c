/* Finding operators, for those who read graphs from files. */
#include "ops/ops.h"

#include <string.h>

#define ADDRESS(name) &weld_op_##name,
static const weld_op *const all[] = {WELD_OPERATORS(ADDRESS)};

const weld_op *weld_op_at(size_t i) {
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

const weld_op *weld_op_find(const char *name) {
    size_t i = 0;
    while (weld_op_at(i) && strcmp(all[i]->name, name) != 0) {
        i++;
    }
    return weld_op_at(i);
}
