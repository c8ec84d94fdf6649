/* What an exchange is made of, for the files of this room. */
#ifndef WELD_DISTRIBUTED_EXCHANGE_STATE_H
#define WELD_DISTRIBUTED_EXCHANGE_STATE_H

#include "distributed/blocks.h"
#include "distributed/exchange.h"

enum { WELD_EXCHANGE_LINE = 64 }; /* bytes: gradients and blocks begin at multiples */

/* A gradient in the row of all. */
typedef struct weld_place {
    size_t offset; /* bytes, of LINE; not looked at where there is none */
    int64_t count; /* elements */
} weld_place;

typedef struct weld_bucket {
    size_t begin, end; /* bytes */
    weld_blocks *blocks;
    void *nodes[WELD_TREE_NODES];
    size_t gradients, missing; /* that are in it; of these, that are not ready */
    bool gone;
    double left; /* weld_clock when it went */
} weld_bucket;

typedef struct weld_arrival {
    size_t step, gradient;
} weld_arrival;

struct weld_exchange {
    weld_group *group;
    int64_t groups;
    weld_groups share; /* of this rank */
    const weld_kernels *kernels;
    int threads;
    size_t element; /* bytes */

    size_t count; /* gradients */
    weld_place *places;
    weld_tensor *means;
    weld_arrival **arrivals; /* by plan, of all gradients that there are, in their order */
    size_t arrival_count;
    int plans;

    size_t bytes;       /* of the row */
    char *nodes, *mean; /* [most nodes][bytes], [bytes]; of one rank the mean is the first node */
    weld_groups *tree_nodes; /* of all ranks, in order */
    int tree_node_count, most_nodes;
    int *parts; /* nodes, by rank */
    weld_bucket *buckets;
    int bucket_count;

    /* Of the update. */
    int64_t update;
    weld_tree tree;
    int top, joins;               /* nodes before what is done now, and what that joins */
    const weld_tensor *gradients; /* of that group; NULL: all have been taken */
    const weld_arrival *order;
    size_t taken; /* of its gradients */
    weld_pending pending;
    atomic_size_t moved;
    int sent; /* buckets */
    double early, all;
    weld_to_send *to_send; /* by bucket, of all updates */
};

/* Adds up the tree of a block: weld_blocks_join, of an exchange. */
void weld_exchange_join(void *context, size_t begin, size_t end, void *const *parts, void *result);

#endif
