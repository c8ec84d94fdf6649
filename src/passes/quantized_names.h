/* What the tensors of a network of integers are called beside those of the float one. In files
 * these names are paths: names of leaves have no '/'. */
#ifndef WELD_PASSES_QUANTIZED_NAMES_H
#define WELD_PASSES_QUANTIZED_NAMES_H

#include "passes/quantize.h"

#define WELD_GROUP_SCALES "scales"
#define WELD_GROUP_TABLES "tables"
enum { WELD_QUANTIZED_NAME_SIZE = 512 };

/* "scales/NAME" of the weight NAME. */
weld_status weld_scales_name(const char *weight, char name[WELD_QUANTIZED_NAME_SIZE],
                             weld_error *err);
/* "tables/ID" of the function that makes a value. */
void weld_table_name(const weld_quantization *q, const weld_value *v,
                     char name[WELD_QUANTIZED_NAME_SIZE]);
/* Is it a name of these, and so the tensor's path? */
bool weld_is_quantized_name(const char *name);

#endif
