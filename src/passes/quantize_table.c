/* Tables of functions of one argument, from code to code; see quantize.h. */
#include <math.h>

#include "ops/codes.h"
#include "passes/quantize.h"

static double function_of(const weld_node *node, double x) {
    const double hard = fmin(fmax(x + 3, 0), 6) / 6;
    if (node->op == &weld_op_clamp) {
        return fmin(fmax(x, (double)(float)node->attributes.low),
                    (double)(float)node->attributes.high);
    }
    switch ((weld_unary)node->attributes.function) {
    case WELD_GELU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case WELD_RELU:
        return fmax(x, 0);
    case WELD_SILU:
        return x / (1 + exp(-x));
    case WELD_HARD_SWISH:
        return x * hard;
    case WELD_HARD_SIGMOID:
        return hard;
    case WELD_SIGMOID:
        return 1 / (1 + exp(-x));
    case WELD_IDENTITY:
        break;
    }
    return x;
}

void weld_quantize_table(const weld_node *node, weld_codes x, weld_codes y, unsigned char *table) {
    for (int q = 0; q < WELD_CODE_COUNT; q++) {
        const float number = x.scale * (float)(q - x.zero);
        table[q] = weld_code_of((float)function_of(node, (double)number), y);
    }
}
