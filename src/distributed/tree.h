/* The order in which what the groups of an update have (their gradients) is added up: a tree that
 * follows from the number of groups alone.
 *
 *     sum(first, n) = g[first]                                   where n is 1, else
 *                     sum(first, p) + sum(first + p, n - p)      p: largest power of two below n
 *
 * and the sum of all is sum(0, groups). Who adds which part, and when, leaves no trace: IEEE
 * addition commutes, so that the tree decides of every bit. A process that has a share of the
 * groups, some in a row, adds as far as the tree goes in them. What it comes to are the largest
 * nodes that lie in the share: one, or at most twice as many as a number of that size has bits.
 * Whoever joins the nodes of all shares, from left to right, by the same rule, has the sum of all.
 */
#ifndef WELD_DISTRIBUTED_TREE_H
#define WELD_DISTRIBUTED_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* Groups in a row: a share of them, or those below a node. */
typedef struct weld_groups {
    int64_t first, count;
} weld_groups;

enum { WELD_TREE_NODES = 128 }; /* more than ever wait, of however many groups */

/* Nodes that wait for their right neighbours, from left to right: a stack. It says what is to be
 * added; where the numbers are is up to whoever asks. */
typedef struct weld_tree {
    int64_t groups; /* of the whole tree */
    int count;
    weld_groups nodes[WELD_TREE_NODES];
} weld_tree;

/* An empty stack. */
weld_tree weld_tree_begin(int64_t groups);
/* Put the next node to the right onto the stack: a group {i, 1}, or a node that somebody has added
 * up. So many times the last two nodes are then to be added into one, which is what the stack holds
 * after the call: with `top` nodes before it,
 *
 *     0 times:  node[top] = new
 *     else:     node[top - 1] += new;  then  node[top - 2] += node[top - 1]  and so on
 *
 * The new one needs a place of its own only in the first case. */
int weld_tree_push(weld_tree *t, weld_groups node);
/* Where no more come than there are, though there might be: so many times the last two are to be
 * added, likewise, and what comes of all is the sum of a tree of so many groups. */
int weld_tree_close(weld_tree *t);

/* The nodes that a share comes to, from left to right; returns how many. */
int weld_tree_share(int64_t groups, weld_groups share, weld_groups nodes[WELD_TREE_NODES]);
/* Places for nodes that are needed to add up a share, group after group. */
int weld_tree_places(int64_t groups, weld_groups share);

#endif
