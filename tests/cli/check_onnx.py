#!/usr/bin/python3
"""check_onnx.py FILE [open]: let onnx's checker look at a file, infer the shape of every value, and
print the metadata. open: of a file that computes shapes while it runs, of which not all are inferred."""
import sys

import onnx

model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
known = {v.name for v in [*inferred.graph.value_info, *inferred.graph.output]
         if v.type.tensor_type.HasField("shape")}
unknown = [name for node in model.graph.node for name in node.output if name not in known]
if unknown and sys.argv[2:] != ["open"]:
    sys.exit(f"no shape for {unknown}")
for prop in model.metadata_props:
    print(prop.key, prop.value)
