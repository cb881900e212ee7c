# SPDX-License-Identifier: Apache-2.0
"""What runs the network from its input tensors to the head's logits.

All else, from the encoding of X to labels and confidence, is the same for every backend. `choice`
takes one; `exporting` writes the graphs that onnxruntime runs.
"""
