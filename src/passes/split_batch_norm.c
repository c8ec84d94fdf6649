/* Batch norm in steps; see split_batch_norm.h.
 *
 * A batch norm reads its input twice with all of its sums between: as one node it can be joined
 * neither with what makes the input nor with what reads the output. In steps, the sums belong to
 * the one and the affine map to the other.
 */
#include "passes/split_batch_norm.h"

#include "ops/ops.h"
#include "graph/copy.h"

/* The counterparts of the node's inputs. */
static void take_inputs(const weld_copy *c, const weld_node *node, weld_value **inputs) {
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = c->map[node->inputs[i]->id];
    }
}

static void split_forward(weld_copy *c, const weld_node *node) {
    enum { X, WEIGHT, BATCHES = 5, INPUTS, SCALE = 0, SHIFT, MEAN, RSTD, STATISTICS };
    weld_value *in[INPUTS];
    take_inputs(c, node, in);
    weld_value *x = in[X];
    in[0] = weld_graph_node(c->to, &weld_op_moments, NULL, &x, 1, 1);
    weld_value *made = weld_graph_node(c->to, &weld_op_batch_norm_statistics, &node->attributes, in,
                                       INPUTS, INPUTS);
    if (made) {
        weld_value *const *v = made->producer->outputs;
        weld_value *affine[] = {x, v[SCALE], v[SHIFT]};
        c->map[node->outputs[0]->id] = weld_graph_node(c->to, &weld_op_affine, NULL, affine, 3, 3);
        c->map[node->outputs[1]->id] = v[MEAN];
        c->map[node->outputs[2]->id] = v[RSTD];
        c->map[node->outputs[3]->id] = v[STATISTICS];
    }
}

static void split_backward(weld_copy *c, const weld_node *node) {
    enum { X, DY, WEIGHT, MEAN, RSTD, INPUTS, A = 0, B, D, DWEIGHT, DBIAS };
    weld_value *in[INPUTS];
    take_inputs(c, node, in);
    weld_value *sums[] = {in[DY], in[X], in[MEAN]};
    weld_value *vectors[] = {weld_graph_node(c->to, &weld_op_batch_norm_sums, NULL, sums, 3, 3),
                             in[WEIGHT], in[MEAN], in[RSTD]};
    weld_value *made =
        weld_graph_node(c->to, &weld_op_batch_norm_coefficients, NULL, vectors, 4, 4);
    if (made) {
        weld_value *const *v = made->producer->outputs;
        weld_value *affine2[] = {in[DY], in[X], v[A], v[B], v[D]};
        c->map[node->outputs[0]->id] =
            weld_graph_node(c->to, &weld_op_affine2, NULL, affine2, 5, 5);
        c->map[node->outputs[1]->id] = v[DWEIGHT];
        c->map[node->outputs[2]->id] = v[DBIAS];
    }
}

static bool split(weld_copy *c, const weld_node *node, void *context) {
    (void)context;
    if (node->op == &weld_op_batch_norm) {
        split_forward(c, node);
    } else if (node->op == &weld_op_batch_norm_grad) {
        split_backward(c, node);
    } else {
        return false;
    }
    return true;
}

weld_status weld_split_batch_norm(const weld_graph *g, weld_graph **out, weld_error *err) {
    return weld_copy_graph(g, split, NULL, out, err);
}
