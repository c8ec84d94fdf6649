/* Control groups, of files as Linux writes them. */
#include "base/cgroup.h"
#include "files.h"
#include "suite.h"

static weld_cgroup read_and_remove(test_folder f) {
    weld_cgroup group = weld_cgroup_read(f.path);
    test_folder_remove(f);
    return group;
}

START_TEST(the_least_quota_on_the_way_up_counts) {
    test_folder f = test_folder_create();
    test_put_file(&f, "proc/self/cgroup", "0::/jobs/mine\n");
    test_put_file(&f, "sys/fs/cgroup/jobs/mine/cpu.max", "400000 100000\n");
    test_put_file(&f, "sys/fs/cgroup/jobs/cpu.max", "150000 100000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu.max", "max 100000\n");
    test_put_file(&f, "sys/fs/cgroup/other/cpu.max", "50000 100000\n");
    ck_assert_double_eq(read_and_remove(f).cpus, 1.5);
}
END_TEST

START_TEST(being_held_up_by_any_of_the_groups_counts) {
    test_folder f = test_folder_create();
    test_put_file(&f, "proc/self/cgroup", "0::/jobs/mine\n");
    test_put_file(&f, "sys/fs/cgroup/jobs/mine/cpu.stat",
                  "usage_usec 9000000\nnr_periods 40\nnr_throttled 3\nthrottled_usec 250000\n");
    test_put_file(&f, "sys/fs/cgroup/jobs/cpu.stat",
                  "usage_usec 9000000\nthrottled_usec 1000000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu.stat", "usage_usec 99000000\n");
    ck_assert_double_eq_tol(read_and_remove(f).throttled, 1.25, 1e-9);
}
END_TEST

START_TEST(version_1_says_the_same_in_other_words) {
    test_folder f = test_folder_create();
    test_put_file(&f, "proc/self/cgroup",
                  "5:cpuset:/\n4:cpu,cpuacct:/mine\n1:name=systemd:/x\n0::/\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/mine/cpu.cfs_quota_us", "50000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/mine/cpu.cfs_period_us", "100000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/mine/cpu.stat",
                  "nr_periods 7\nthrottled_time 500000000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/cpu.stat", "nr_periods 0\nthrottled_time 0\n");
    weld_cgroup group = read_and_remove(f);
    ck_assert_double_eq(group.cpus, 0.5);
    ck_assert_double_eq_tol(group.throttled, 0.5, 1e-9);
}
END_TEST

/* As in a container, whose own group is mounted in the place of the root. */
START_TEST(a_group_whose_path_is_out_of_sight_is_the_one_that_can_be_seen) {
    test_folder f = test_folder_create();
    test_put_file(&f, "proc/self/cgroup", "4:cpu,cpuacct:/docker/0123abcd\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    test_put_file(&f, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_double_eq(read_and_remove(f).cpus, 2);
}
END_TEST

START_TEST(the_group_at_the_root_counts_once) {
    test_folder f = test_folder_create();
    test_put_file(&f, "proc/self/cgroup", "0::/\n");
    test_put_file(&f, "sys/fs/cgroup/cpu.stat", "throttled_usec 250000\n");
    ck_assert_double_eq_tol(read_and_remove(f).throttled, 0.25, 1e-9);
}
END_TEST

START_TEST(without_groups_there_is_no_limit_and_nothing_is_known) {
    weld_cgroup group = read_and_remove(test_folder_create());
    ck_assert_double_eq(group.cpus, 0);
    ck_assert_double_lt(group.throttled, 0);
}
END_TEST

RUN_SUITE("base/cgroup", the_least_quota_on_the_way_up_counts,
          being_held_up_by_any_of_the_groups_counts, version_1_says_the_same_in_other_words,
          a_group_whose_path_is_out_of_sight_is_the_one_that_can_be_seen,
          the_group_at_the_root_counts_once, without_groups_there_is_no_limit_and_nothing_is_known)
