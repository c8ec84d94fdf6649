/* channel_sum: x[..., c] -> [c], the sum over all dimensions but the last: a bias's gradient. */
#include "ops/channel_sums.h"

static weld_status infer(const weld_node *node, const weld_tensor *in, weld_tensor *out,
                         weld_error *err) {
    (void)node;
    (void)err;
    out[0].dtype = weld_parameter_dtype(in[0].dtype);
    out[0].shape = WELD_SHAPE(weld_channels(&in[0]));
    return WELD_OK;
}

static size_t workspace(const weld_run *run) {
    return weld_channel_sums_bytes(&run->in[0]);
}

static void run(const weld_run *run) {
    weld_channel_sums sums = {.run = run, .dy = &run->in[0], .sums = run->workspace};
    weld_channel_sums_run(&sums);
    for (int64_t j = 0; j < weld_channels(&run->in[0]); j++) {
        const double before =
            run->accumulate ? weld_get(run->out[0].dtype, run->out[0].data, j) : 0;
        weld_set(run->out[0].dtype, run->out[0].data, j, before + weld_channel_sums_dy(&sums, j));
    }
}

const weld_op weld_op_channel_sum = {
    .name = "channel_sum",
    .inputs = {1, 1},
    .outputs = 1,
    .types = WELD_TYPES_FLOAT_BF16,
    .traits = WELD_OP_TRAINING_ONLY | WELD_OP_BY_ROW | WELD_OP_REDUCES,
    .infer = infer,
    .cpu = {.workspace = workspace,
            .run = run,
            .slicing = weld_slice_rows,
            .sliced = 1 << 0,
            .sums = 1 << 0},
};

weld_value *weld_channel_sum(weld_graph *g, weld_value *x) {
    return weld_graph_node(g, &weld_op_channel_sum, NULL, (weld_value *[]){x}, 1, 1);
}
