/* Classes by their names, for tasks that tell classes. */
#ifndef WELD_TASKS_CLASS_NAMES_H
#define WELD_TASKS_CLASS_NAMES_H

#include "tasks/task.h"

/* weld_task.match_labels: by name. Where the network has no names there must be as many classes, in
 * the order of the data; but where that is bytewise and the natural order of the names is another,
 * labels->order must say which it is. The message says which are missing, and which unknown to the
 * network. */
weld_status weld_class_names_match(const weld_dataset *ds, const weld_labels *labels, int *to,
                                   weld_error *err);

/* An error where all classes are called as parts of data sets are: "train", "val". */
weld_status weld_class_names_check_parts(const weld_dataset *ds, weld_error *err);

#endif
