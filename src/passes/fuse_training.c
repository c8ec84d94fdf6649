/* The passes over training graphs; see fuse_training.h. */
#include "passes/fuse_training.h"

#include "passes/copy.h"
#include "passes/recompute.h"
#include "passes/split_batch_norm.h"

weld_status weld_fuse_training(const weld_graph *g, const weld_fuse_options *options,
                               weld_graph **out, weld_error *err) {
    static const weld_fuse_options all = {0};
    const weld_fuse_options *o = options ? options : &all;
    weld_graph *split;
    *out = NULL;
    weld_status status = o->whole_batch_norm ? weld_copy_graph(g, NULL, NULL, &split, err)
                                             : weld_split_batch_norm(g, &split, err);
    if (status || o->keep_all) {
        *out = split;
        return status;
    }
    int roots = o->recompute_roots ? o->recompute_roots : WELD_RECOMPUTE_ROOTS;
    status = weld_recompute(split, roots, out, err);
    weld_graph_free(split);
    return status;
}
