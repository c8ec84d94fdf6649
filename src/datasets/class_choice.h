/* A part of the classes of a data set, or all of them as one: what a recipe's data.classes and
 * data.single_class ask for.
 *
 * Chosen classes keep their names and their order in the data set, however they are listed. Of the
 * others boxes are left out, and images where each has a class; an image that loses its last box
 * stays, as background. What classes become one class of is boxes alone.
 */
#ifndef WELD_DATASETS_CLASS_CHOICE_H
#define WELD_DATASETS_CLASS_CHOICE_H

#include "base/text.h"
#include "datasets/dataset.h"

enum { WELD_CHOICE_MAX = 256, WELD_CHOICE_NAME_SIZE = 96 };

/* All zero: every class, each by itself. */
typedef struct weld_class_choice {
    char names[WELD_CHOICE_MAX][WELD_CHOICE_NAME_SIZE];
    int count;   /* 0: all */
    bool single; /* what is chosen is one class: "object", or the name of the only one */
} weld_class_choice;

/* See no more of ds, before anybody else uses it, and append to *told what that leaves out, in a
 * line for people; nothing where all is as it was. Errors: a name that is none of the data's, with
 * those that are; memory. */
weld_status weld_dataset_choose_classes(weld_dataset *ds, const weld_class_choice *choice,
                                        weld_text *told, weld_error *err);
/* The same for what a network is judged by: names that are missing are passed over, and all are
 * left where none is there; what becomes one is called as its class is, and must not be of all
 * classes because none that was chosen is there. `name` must outlive it. */
weld_status weld_dataset_choose_alike(weld_dataset *ds, const weld_class_choice *choice,
                                      const char *const *name, weld_text *told, weld_error *err);

#endif
