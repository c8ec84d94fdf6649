/* A family of networks and a task that weld itself does not know. */
#ifndef WELD_TESTS_HOUSE_TOY_H
#define WELD_TESTS_HOUSE_TOY_H

#include "models/models.h"
#include "tasks/task.h"

/* "toy": two convolutions with batch norms and a linear layer, with the keys `width` and
 * `activation`; one number an image, the output "value" [batch, 1]. */
extern const weld_model_family toy_family;

/* "brightness": tell the number in an image's name, "all/073.png", in hundredths. */
extern const weld_task toy_task;

#endif
