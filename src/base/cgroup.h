/* What the control groups that this process is in allow it of the cpus. */
#ifndef WELD_BASE_CGROUP_H
#define WELD_BASE_CGROUP_H

typedef struct weld_cgroup {
    double cpus;      /* the least of the quotas; 0: no limit */
    double throttled; /* seconds that a quota has kept threads of the groups from cpus so far, of
                         every cpu and level together; below 0: there is nothing to tell it */
} weld_cgroup;

/* Of version 2 or 1, of the process's group and all above it: the limit of a group holds for all
 * below it. `root` stands before /proc and /sys: "", or a folder with files to be taken for them.
 */
weld_cgroup weld_cgroup_read(const char *root);

#endif
