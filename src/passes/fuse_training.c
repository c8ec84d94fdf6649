/* The passes over training graphs; see fuse_training.h. */
#include "passes/fuse_training.h"

#include "passes/compose_affine.h"
#include "graph/copy.h"
#include "passes/fold_linear.h"
#include "passes/join_sums.h"
#include "passes/recompute.h"
#include "passes/split_batch_norm.h"

/* Put `made` in the place of *g, unless making it failed. */
static void take(weld_status status, weld_graph *made, weld_graph **g) {
    if (!status) {
        weld_graph_free(*g);
        *g = made;
    }
}

weld_status weld_fuse_training(const weld_graph *g, const weld_fuse_options *options,
                               weld_graph **out, weld_error *err) {
    static const weld_fuse_options all = {0};
    const weld_fuse_options *o = options ? options : &all;
    int roots = o->recompute_roots ? o->recompute_roots : WELD_RECOMPUTE_ROOTS;
    weld_graph *fused, *made;
    *out = NULL;
    if (o->off) {
        return weld_copy_graph(g, NULL, NULL, out, err);
    }
    weld_status status = o->whole_batch_norm ? weld_copy_graph(g, NULL, NULL, &fused, err)
                                             : weld_split_batch_norm(g, &fused, err);
    if (status) {
        return status;
    }
    if (!o->keep_chains) {
        status = weld_compose_affine(fused, &made, err);
        take(status, made, &fused);
    }
    if (!status && !o->keep_sums) {
        status = weld_join_sums(fused, &made, err);
        take(status, made, &fused);
    }
    if (!status && !o->keep_all) {
        status = weld_recompute(fused, roots, &made, err);
        take(status, made, &fused);
    }
    if (!status && !o->keep_elementwise) {
        status = weld_fold_linear(fused, &made, err);
        take(status, made, &fused);
    }
    if (status) {
        weld_graph_free(fused);
        return status;
    }
    *out = fused;
    return WELD_OK;
}
