/* The order of sums; see tree.h.
 *
 * A node begins at a multiple of a power of two p and has p groups, or those up to the last of all
 * where there are fewer. So of two neighbours the left one's place alone says whether they are the
 * children of a node: it has p groups and begins at a multiple of 2 p.
 */
#include "distributed/tree.h"

weld_tree weld_tree_begin(int64_t groups) {
    return (weld_tree){.groups = groups};
}

/* The right one may be the left part of a larger one that is still to come. */
static bool are_children(const weld_tree *t, weld_groups left, weld_groups right) {
    const bool whole = right.count == left.count || right.first + right.count == t->groups;
    return whole && left.first % (2 * left.count) == 0;
}

static void join(weld_tree *t) {
    t->count--;
    t->nodes[t->count - 1].count += t->nodes[t->count].count;
}

int weld_tree_push(weld_tree *t, weld_groups node) {
    int joins = 0;
    t->nodes[t->count++] = node;
    while (t->count > 1 && are_children(t, t->nodes[t->count - 2], t->nodes[t->count - 1])) {
        join(t);
        joins++;
    }
    return joins;
}

int weld_tree_close(weld_tree *t) {
    int joins = 0;
    for (; t->count > 1; joins++) {
        join(t);
    }
    return joins;
}

int weld_tree_share(int64_t groups, weld_groups share, weld_groups nodes[WELD_TREE_NODES]) {
    weld_tree t = weld_tree_begin(groups);
    for (int64_t i = 0; i < share.count; i++) {
        weld_tree_push(&t, (weld_groups){share.first + i, 1});
    }
    for (int i = 0; i < t.count; i++) {
        nodes[i] = t.nodes[i];
    }
    return t.count;
}

int weld_tree_places(int64_t groups, weld_groups share) {
    weld_tree t = weld_tree_begin(groups);
    int most = 0;
    for (int64_t i = 0; i < share.count; i++) {
        weld_tree_push(&t, (weld_groups){share.first + i, 1});
        most = t.count > most ? t.count : most;
    }
    return most;
}
