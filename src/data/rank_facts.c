/* What ranks have in common; see rank_facts.h. */
#include "data/rank_facts.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { WHERE_SIZE = 96, SETS = 2 };

/* --- What a rank has --- */

typedef struct facts {
    char version[32];
    weld_data_identity sets[SETS];
    char network[160];
} facts;

static facts find_facts(const weld_rank_facts *mine) {
    facts f;
    memset(&f, 0, sizeof f);
    for (int i = 0; i < SETS; i++) {
        if (mine->sets[i]) {
            f.sets[i] = *mine->identities[i];
        }
    }
    snprintf(f.version, sizeof f.version, "%s", weld_version());
    snprintf(f.network, sizeof f.network, "%s", mine->network ? mine->network : "");
    return f;
}

/* --- What differs --- */

static weld_status compare_sets(const char *where, const weld_dataset *ds,
                                const weld_data_identity *a, const weld_data_identity *b,
                                weld_error *err) {
    if (a->images != b->images) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: %s has %lld images, rank 0's %lld: give all hosts the same data",
                         where, weld_dataset_path(ds), (long long)a->images, (long long)b->images);
    }
    if (a->said != b->said) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: %s has as many images as rank 0's, but others by name, class or box: "
                         "give all hosts the same data",
                         where, weld_dataset_path(ds));
    }
    if (a->sizes && b->sizes && a->sizes != b->sizes) { /* 0: it could not be told */
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: %s has files of other sizes than rank 0's: give all hosts the same "
                         "data",
                         where, weld_dataset_path(ds));
    }
    return a->contents == b->contents
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: %s is another packed file than rank 0's: copy the same to all "
                           "hosts",
                           where, weld_dataset_path(ds));
}

static weld_status compare_facts(const weld_rank_facts *mine, const char *where, const facts *a,
                                 const facts *b, weld_error *err) {
    if (strcmp(a->version, b->version) != 0) {
        return weld_fail(err, WELD_ERROR_ARGUMENT,
                         "%s: runs weld %s, rank 0 runs %s: install the same on all hosts", where,
                         a->version, b->version);
    }
    for (int i = 0; i < SETS; i++) {
        WELD_TRY(mine->sets[i] ? compare_sets(where, mine->sets[i], &a->sets[i], &b->sets[i], err)
                               : WELD_OK);
    }
    return strcmp(a->network, b->network) == 0
               ? WELD_OK
               : weld_fail(err, WELD_ERROR_ARGUMENT,
                           "%s: %s %s, rank 0 %s (%.200s): copy the same to all hosts", where,
                           mine->verb, a->network, b->network, mine->path);
}

static weld_status compare(const weld_group *g, const weld_rank_facts *mine,
                           const weld_gathered *all, weld_error *err) {
    char where[WHERE_SIZE];
    facts first, f;
    for (int rank = 0; rank < all->count; rank++) {
        weld_group_say_where(g, rank, where, sizeof where);
        if (all->bytes[rank] != sizeof f) {
            return weld_fail(err, WELD_ERROR_FORMAT, "%s: runs another weld than rank 0", where);
        }
        memcpy(&f, all->data[rank], sizeof f);
        first = rank ? first : f;
        WELD_TRY(compare_facts(mine, where, &f, &first, err));
    }
    return WELD_OK;
}

weld_status weld_rank_facts_compare(weld_group *g, const weld_rank_facts *mine, weld_error *err) {
    weld_gathered all = {0};
    if (!g) {
        return WELD_OK;
    }
    const facts own = find_facts(mine);
    WELD_TRY(weld_group_gather(g, &own, sizeof own, &all, err));
    const weld_status status = compare(g, mine, &all, err);
    weld_gathered_free(&all);
    return weld_group_agree(g, status, err);
}
