/* The order of sums against its definition, written out: who adds which part changes no bit. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "distributed/tree.h"
#include "graph/plan.h"
#include "suite.h"

enum { MOST = 40 };

static float leaves[MOST];

/* Of all magnitudes, so that nearly every order of adding them has bits of its own. */
static void draw_leaves(void) {
    for (int i = 0; i < MOST; i++) {
        weld_random r = weld_random_start(5, 0, (uint64_t)i, WELD_RANDOM_TEST);
        leaves[i] = (float)(weld_random_normal(&r) * exp2((double)weld_random_below(&r, 12)));
    }
}

/* As tree.h has it. */
static float defined(int64_t first, int64_t n) {
    int64_t p = 1;
    while (2 * p < n) {
        p *= 2;
    }
    return n == 1 ? leaves[first] : defined(first, p) + defined(first + p, n - p);
}

/* Numbers that are added as a tree says, beside its stack. */
typedef struct adder {
    weld_tree tree;
    float sums[WELD_TREE_NODES];
    int places; /* used at once */
} adder;

static void join(adder *a, int last, int joins) {
    for (; joins > 0; joins--, last--) {
        a->sums[last - 1] += a->sums[last];
    }
}

static void push(adder *a, weld_groups node, float value) {
    const int top = a->tree.count, joins = weld_tree_push(&a->tree, node);
    if (joins == 0) {
        a->sums[top] = value;
        a->places = top + 1 > a->places ? top + 1 : a->places;
    } else {
        a->sums[top - 1] += value;
        join(a, top - 1, joins - 1);
    }
}

static adder add_share(int64_t groups, weld_groups share) {
    adder a = {.tree = weld_tree_begin(groups)};
    for (int64_t i = share.first; i < share.first + share.count; i++) {
        push(&a, (weld_groups){i, 1}, leaves[i]);
    }
    return a;
}

static void expect_share(int64_t groups, weld_groups share, const adder *a) {
    weld_groups nodes[WELD_TREE_NODES];
    const int count = weld_tree_share(groups, share, nodes);
    int64_t next = share.first;
    ck_assert_int_eq(count, a->tree.count);
    ck_assert_int_le(count, 2 * (int)ceil(log2((double)share.count + 1)));
    ck_assert_int_eq(weld_tree_places(groups, share), a->places);
    for (int i = 0; i < count; i++) {
        const float want = defined(nodes[i].first, nodes[i].count);
        ck_assert_int_eq(nodes[i].first, next);
        ck_assert_mem_eq(&nodes[i], &a->tree.nodes[i], sizeof nodes[i]);
        ck_assert_mem_eq(&a->sums[i], &want, sizeof want);
        next += nodes[i].count;
    }
    ck_assert_int_eq(next, share.first + share.count);
}

/* Each of `count` processes adds up its groups, one joins what they come to. */
static void expect_sum(int64_t groups, const int64_t *begins, int64_t count) {
    adder all = {.tree = weld_tree_begin(groups)};
    const float want = defined(0, groups);
    for (int64_t r = 0; r < count; r++) {
        const weld_groups share = {begins[r], begins[r + 1] - begins[r]};
        const adder a = add_share(groups, share);
        expect_share(groups, share, &a);
        for (int i = 0; i < a.tree.count; i++) {
            push(&all, a.tree.nodes[i], a.sums[i]);
        }
    }
    ck_assert_int_eq(all.tree.count, 1);
    ck_assert_mem_eq(&all.sums[0], &want, sizeof want);
}

START_TEST(any_number_of_even_shares_has_the_bits_of_the_definition) {
    int64_t begins[MOST + 1];
    draw_leaves();
    for (int64_t groups = 1; groups <= MOST; groups++) {
        for (int64_t ranks = 1; ranks <= groups; ranks++) {
            for (int64_t r = 0; r <= ranks; r++) {
                begins[r] = weld_part_begin(groups, ranks, r);
            }
            expect_sum(groups, begins, ranks);
        }
    }
}
END_TEST

/* Bit i of a number: a share ends behind group i. */
START_TEST(all_ways_to_share_out_up_to_twelve_groups_have_them) {
    int64_t begins[MOST + 1] = {0};
    draw_leaves();
    for (int64_t groups = 1; groups <= 12; groups++) {
        for (int ways = 0; ways < 1 << (groups - 1); ways++) {
            int64_t count = 0;
            for (int64_t i = 0; i < groups; i++) {
                if (i == groups - 1 || ways >> i & 1) {
                    begins[++count] = i + 1;
                }
            }
            expect_sum(groups, begins, count);
        }
    }
}
END_TEST

START_TEST(uneven_shares_of_many_groups_have_them) {
    static const int64_t shares[][5] = {{0, 1, 39, 40}, {0, 7, 8, 31, 40}, {0, 33, 34, 35, 40}};
    static const int64_t counts[] = {3, 4, 4};
    draw_leaves();
    for (int i = 0; i < 3; i++) {
        expect_sum(40, shares[i], counts[i]);
    }
}
END_TEST

static float one_after_the_other(int64_t n) {
    float sum = leaves[0];
    for (int64_t i = 1; i < n; i++) {
        sum += leaves[i];
    }
    return sum;
}

/* Another order is another sum, so that the tests above can fail; of three groups there is none. */
START_TEST(up_to_three_groups_are_added_one_after_the_other_and_more_are_not) {
    int other = 0;
    draw_leaves();
    for (int64_t groups = 1; groups <= MOST; groups++) {
        other += defined(0, groups) != one_after_the_other(groups);
        ck_assert(groups > 3 || other == 0);
    }
    ck_assert_int_ge(other, 25);
}
END_TEST

START_TEST(groups_that_do_not_come_leave_the_tree_of_those_that_came) {
    draw_leaves();
    for (int64_t groups = 2; groups <= MOST; groups++) {
        for (int64_t came = 1; came <= groups; came++) {
            adder a = add_share(groups, (weld_groups){0, came});
            const int last = a.tree.count - 1, joins = weld_tree_close(&a.tree);
            const float want = defined(0, came);
            ck_assert_int_eq(joins, last);
            join(&a, last, joins);
            ck_assert_mem_eq(&a.sums[0], &want, sizeof want);
        }
    }
}
END_TEST

START_TEST(a_whole_update_needs_as_many_places_as_its_groups_can_be_halved) {
    for (int64_t groups = 2; groups <= 1000; groups++) {
        ck_assert_int_eq(weld_tree_places(groups, (weld_groups){0, groups}),
                         (int)floor(log2((double)groups)));
    }
    ck_assert_int_eq(weld_tree_places(1, (weld_groups){0, 1}), 1);
}
END_TEST

RUN_SUITE("distributed/tree", any_number_of_even_shares_has_the_bits_of_the_definition,
          all_ways_to_share_out_up_to_twelve_groups_have_them,
          uneven_shares_of_many_groups_have_them,
          up_to_three_groups_are_added_one_after_the_other_and_more_are_not,
          groups_that_do_not_come_leave_the_tree_of_those_that_came,
          a_whole_update_needs_as_many_places_as_its_groups_can_be_halved)
