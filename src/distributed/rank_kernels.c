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

enum { TEXT_SIZE = 64, WHERE_SIZE = 96 };

static weld_status find_tables(tables *out, weld_error *err) {
    const weld_kernels *fp32, *bf16;
    WELD_TRY(weld_kernels_select(WELD_F32, NULL, &fp32, err));
    WELD_TRY(weld_kernels_select(WELD_BF16, NULL, &bf16, err));
    *out = (tables){.fp32 = ""};
    snprintf(out->fp32, sizeof out->fp32, "%s", fp32->name);
    snprintf(out->bf16, sizeof out->bf16, "%s", bf16->name);
    return WELD_OK;
}

static const char *tables_text(const tables *k, char text[TEXT_SIZE]) {
    snprintf(text, TEXT_SIZE, "%s, %s in bf16", k->fp32, k->bf16);
    return text;
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

/* How many ranks compute by others than rank 0; *first: the lowest of them. */
static int count_others(const tables *all, int count, int *first) {
    int others = 0;
    for (int rank = count - 1; rank > 0; rank--) {
        if (memcmp(&all[rank], &all[0], sizeof *all) != 0) {
            others++;
            *first = rank;
        }
    }
    return others;
}

static weld_status compare(const weld_group *g, const tables *all, int count, bool mixed,
                           const char *advice, char *note, weld_error *err) {
    char where[WHERE_SIZE], its[TEXT_SIZE], zeros[TEXT_SIZE];
    int first = 0;
    const int others = count_others(all, count, &first);
    weld_group_say_where(g, first, where, sizeof where);
    tables_text(&all[first], its);
    tables_text(&all[0], zeros);
    if (others && !mixed) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: computes by %s, rank 0 by %s, which has other bits: for the same "
                         "bits everywhere mpirun -x WELD_ISA=%s%s",
                         where, its, zeros, slowest(all, count), advice);
    }
    if (others) {
        snprintf(note, WELD_RANK_KERNELS_SIZE,
                 "mixed: rank 0 computes by %s, %d of the others by other kernels (%s: %s): the "
                 "run comes to the same again on the same hosts alone",
                 zeros, others, where, its);
    } else if (mixed) {
        snprintf(note, WELD_RANK_KERNELS_SIZE,
                 "mixed: all ranks compute by %s: without --mixed they come to the bits of one "
                 "process, if their libraries are the same",
                 zeros);
    }
    return WELD_OK;
}

static weld_status compare_all(const weld_group *g, const weld_gathered *gathered, bool mixed,
                               const char *advice, char *note, weld_error *err) {
    const int count = gathered->count;
    tables *all = weld_alloc((size_t)count + 1, sizeof *all);
    if (!all) {
        return weld_fail_memory(err, "ranks");
    }
    for (int rank = 0; rank < count; rank++) {
        if (gathered->bytes[rank] == sizeof *all) {
            memcpy(&all[rank], gathered->data[rank], sizeof *all);
        }
    }
    const weld_status status = count ? compare(g, all, count, mixed, advice, note, err) : WELD_OK;
    weld_free(all);
    return status;
}

weld_status weld_rank_kernels_compare(weld_group *g, bool mixed, const char *advice,
                                      char note[WELD_RANK_KERNELS_SIZE], weld_error *err) {
    weld_gathered all = {0};
    tables mine;
    *note = '\0';
    if (!g) {
        return WELD_OK;
    }
    WELD_TRY(weld_group_agree(g, find_tables(&mine, err), err));
    WELD_TRY(weld_group_gather(g, &mine, sizeof mine, &all, err));
    const weld_status status = compare_all(g, &all, mixed, advice, note, err);
    weld_gathered_free(&all);
    return weld_group_agree(g, status, err);
}
