/* Operators on codes of 8 bits: activations u8 with a scale and a zero point (weld_codes), weights
 * i8, biases i32. The arithmetic is "weld-int8-1" (passes/quantize.h); kernels are those of
 * kernels/int8.h. Graphs of them are made from graphs of floats when a file is opened, and are for
 * inference alone: no file holds them.
 */
#ifndef WELD_OPS_CODES_H
#define WELD_OPS_CODES_H

#include "ops/ops.h"

extern const weld_op weld_op_quantize, weld_op_dequantize, weld_op_recode, weld_op_lookup;
extern const weld_op weld_op_add_codes, weld_op_channel_scale_codes, weld_op_global_avg_pool_codes;
extern const weld_op weld_op_max_pool_codes, weld_op_resize_codes;
extern const weld_op weld_op_conv2d_codes, weld_op_linear_codes;

/* Whose the codes of a node are. The first input's and the output's; a second input's. Of
 * convolutions and linear layers Y are those of the product itself, which may go through a table
 * and then be the second term B of a sum, whose first term A is the residual. */
enum {
    WELD_CODES_X,
    WELD_CODES_Y,
    WELD_CODES_A,
    WELD_CODES_B,
    WELD_CODES_SUM,
};

/* Inputs of conv2d_codes and linear_codes; BIAS, TABLE and RESIDUAL may be NULL. */
enum {
    WELD_PRODUCT_X,
    WELD_PRODUCT_WEIGHT, /* i8 */
    WELD_PRODUCT_SCALES, /* f32 [out] */
    WELD_PRODUCT_BIAS,   /* i32 [out] */
    WELD_PRODUCT_TABLE,  /* u8 [256] */
    WELD_PRODUCT_RESIDUAL,
    WELD_PRODUCT_INPUTS
};

enum { WELD_CODE_COUNT = 256 };

/* Types of inputs. */
#define WELD_TYPES_CODES (1u << WELD_U8)
#define WELD_TYPES_PRODUCT (1u << WELD_U8 | 1u << WELD_I8 | 1u << WELD_F32 | 1u << WELD_I32)

/* t[q] = clamp(rne(s_x (q - z_x) / s_y) + z_y): the same numbers in other codes. */
void weld_recode_table(weld_codes x, weld_codes y, unsigned char table[WELD_CODE_COUNT]);
/* clamp(rne(x / s) + z) */
unsigned char weld_code_of(float x, weld_codes y);
/* How a and b are added. */
weld_int8_sum weld_sum_of_codes(weld_codes a, weld_codes b, weld_codes y);
/* float(float(s_x s_w) / s_y), or, of an output without codes, float(s_x s_w). */
float weld_product_multiplier(weld_codes x, float s_w, weld_codes y);

/* An error unless the node's codes first..last have scales that are normal numbers and zero points
 * of 0..255. */
weld_status weld_expect_codes(const weld_node *node, int first, int last, weld_error *err);

#endif
