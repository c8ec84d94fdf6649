/* Kernels of ranks; see rank_kernels.h. */
#include "distributed/rank_kernels.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/isa.h"

typedef struct tables {
    char fp32[16], bf16[16];
} tables;

static weld_status find_tables(tables *out, weld_error *err) {
    const weld_kernels *fp32, *bf16;
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &fp32, err));
    WELD_TRY(weld_kernels_select(WELD_BF16, NULL, &bf16, err));
    *out = (tables){.fp32 = ""};
    snprintf(out->fp32, sizeof out->fp32, "%s", fp32->name);
    snprintf(out->bf16, sizeof out->bf16, "%s", bf16->name);
    return WELD_OK;
}

/* What every rank has; the cpus of faster sets run the slower ones. */
static const char *slowest(const tables *all, int count) {
    for (int i = 0; weld_isa_at(i); i++) {
        for (int rank = 0; rank < count; rank++) {
            if (strcmp(all[rank].fp32, weld_isa_at(i)->name) == 0) {
                return weld_isa_at(i)->name;
            }
        }
    }
    return "ref";
}

static void write_tables(const tables *k, char *text, size_t size) {
    snprintf(text, size, "%s, %s in bf16", k->fp32, k->bf16);
}

static weld_rank_kernels find_others(const tables *all, int count) {
    weld_rank_kernels found = {.others = 0};
    for (int rank = count - 1; rank > 0; rank--) {
        if (memcmp(&all[rank], &all[0], sizeof *all) != 0) {
            found.others++;
            found.first = rank;
        }
    }
    write_tables(&all[0], found.own, sizeof found.own);
    write_tables(&all[found.first], found.its, sizeof found.its);
    return found;
}

static weld_status compare(const weld_group *g, const weld_gathered *gathered, bool may_differ,
                           const char *advice, weld_rank_kernels *found, weld_error *err) {
    const int count = gathered->count;
    char where[96];
    tables *all = weld_alloc((size_t)count + 1, sizeof *all);
    if (!all) {
        return weld_fail_memory(err, "ranks");
    }
    for (int rank = 0; rank < count; rank++) {
        if (gathered->bytes[rank] == sizeof *all) {
            memcpy(&all[rank], gathered->data[rank], sizeof *all);
        }
    }
    *found = find_others(all, count);
    const weld_status status =
        found->others && !may_differ
            ? weld_fail(err, WELD_ERROR_ARGUMENT,
                        "%s: computes by %s, rank 0 by %s, which has other bits: for the same "
                        "bits everywhere mpirun -x WELD_ISA=%s%s",
                        weld_group_say_where(g, found->first, where, sizeof where), found->its,
                        found->own, slowest(all, count), advice)
            : WELD_OK;
    weld_free(all);
    return status;
}

weld_status weld_rank_kernels_compare(weld_group *g, bool may_differ, const char *advice,
                                      weld_rank_kernels *all, weld_error *err) {
    weld_gathered said = {0};
    weld_rank_kernels found;
    tables mine;
    if (!g) {
        return WELD_OK;
    }
    WELD_TRY(weld_group_agree(g, find_tables(&mine, err), err));
    WELD_TRY(weld_group_gather(g, &mine, sizeof mine, &said, err));
    const weld_status status = compare(g, &said, may_differ, advice, all ? all : &found, err);
    weld_gathered_free(&said);
    return weld_group_agree(g, status, err);
}
