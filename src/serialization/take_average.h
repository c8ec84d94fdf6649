/* The moving average of a checkpoint in the place of its weights. */
#ifndef WELD_SERIALIZATION_TAKE_AVERAGE_H
#define WELD_SERIALIZATION_TAKE_AVERAGE_H

#include "serialization/model_file.h"

/* `key` is what was asked for by name. Without an average of that name it is WELD_ERROR_ARGUMENT.
 * What the file says of its weights alone goes with them; what its summary says of the average
 * ("ema_top1") is said of the weights from now on. */
weld_status weld_model_take_average(const char *path, const char *key, weld_model_file *mf,
                                    weld_error *err);

#endif
