/* What check-data says of boxes, beside what it says of images. */
#ifndef WELD_CLI_CHECK_BOXES_H
#define WELD_CLI_CHECK_BOXES_H

#include <jansson.h>

#include "data/check_boxes.h"

/* Of each kind of fault so many are told, and the others counted. */
enum { CLI_FAULTS_TOLD = 20 };

/* Classes that have no box, told as findings are (kind "class"); `against` may be NULL. */
void cli_tell_box_classes(const weld_dataset *ds, const weld_box_report *boxes,
                          const weld_dataset *against, const weld_box_report *others,
                          void (*tell)(void *arg, const char *name, const char *reason), void *arg);
/* Lines for people. */
void cli_print_boxes(const weld_dataset *ds, const weld_box_report *boxes, int size);
/* The members "boxes", "faults" and "classes" of a JSON object. */
void cli_add_boxes(json_t *out, const weld_dataset *ds, const weld_box_report *boxes, int size);

#endif
