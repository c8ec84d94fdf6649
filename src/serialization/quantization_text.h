/* What a file of a network of integers says of its values, as JSON:
 *
 *   {"arithmetic": "weld-int8-1",
 *    "values": [{"value": 0, "scale": 0.0186274517, "zero": 114}, ...],
 *    "float": ["features.0.weight", ...],
 *    "details": {...}}
 *
 * Values are numbered as in the file's graph and stand in this order; those that are not there are
 * float. "float" are the layers that are kept so, each by its weight. "details" is what the program
 * that quantised says of it.
 */
#ifndef WELD_SERIALIZATION_QUANTIZATION_TEXT_H
#define WELD_SERIALIZATION_QUANTIZATION_TEXT_H

#include "passes/quantize.h"

/* The text is released with weld_free. */
weld_status weld_quantization_to_text(const weld_graph *g, const weld_quantization *q, char **text,
                                      weld_error *err);
/* Of the graph g. Whether it is sound weld_quantization_check says. `where` stands in front of
 * messages. */
weld_status weld_quantization_from_text(const char *text, const char *where, const weld_graph *g,
                                        weld_quantization *out, weld_error *err);

#endif
