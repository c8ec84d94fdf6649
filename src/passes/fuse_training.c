/* The passes over training graphs; see fuse_training.h. */
#include "passes/fuse_training.h"

#include "passes/copy.h"
#include "passes/split_batch_norm.h"

weld_status weld_fuse_training(const weld_graph *g, const weld_fuse_options *options,
                               weld_graph **out, weld_error *err) {
    static const weld_fuse_options all = {0};
    const weld_fuse_options *o = options ? options : &all;
    return o->whole_batch_norm ? weld_copy_graph(g, NULL, NULL, out, err)
                               : weld_split_batch_norm(g, out, err);
}
