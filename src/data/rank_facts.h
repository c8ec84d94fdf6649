/* Have all ranks the same program, data and networks? What they must have, so that what
 * each does of a job is what any other would have done. */
#ifndef WELD_DATA_RANK_FACTS_H
#define WELD_DATA_RANK_FACTS_H

#include "datasets/identity.h"
#include "distributed/group.h"

typedef struct weld_rank_facts {
    const weld_dataset *sets[2];             /* NULL: none */
    const weld_data_identity *identities[2]; /* of those */
    /* A network that is read, so that "rank 1 (node2): learns from NETWORK"; NULL: none. Texts of
     * up to 159 bytes that are the same exactly where the networks are. */
    const char *network;
    const char *verb; /* "learns from" */
    const char *path; /* for people: which it is */
} weld_rank_facts;

/* Called by all ranks, in the same program: an error on all of them where one has others. */
weld_status weld_rank_facts_compare(weld_group *g, const weld_rank_facts *mine, weld_error *err);

#endif
