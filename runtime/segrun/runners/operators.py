"""The ONNX operators that runtimes may be given, and how many inputs each takes.

They are those of the standard's own domain that a segmentation network may use: no control flow, random numbers, text,
sequences or recurrent networks. https://onnx.ai/onnx/operators/
"""

_MANY = 1024

_BY_INPUTS = {
    (0, 0): "Constant",
    (1, 1): """
        Abs Acos ArgMax ArgMin Asin Atan AveragePool BitwiseNot Cast Ceil Celu ConstantOfShape Cos DepthToSpace
        DynamicQuantizeLinear Elu Erf Exp Flatten Floor Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool HardSigmoid
        HardSwish Hardmax Identity LRN LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool
        MeanVarianceNormalization Mish Neg Not Reciprocal Relu Round Selu Shape Shrink Sigmoid Sign Sin Size Softmax
        Softplus Softsign SpaceToDepth Sqrt Swish Tan Tanh ThresholdedRelu Transpose
    """,
    (1, 2): """
        ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
        ReduceSumSquare Split Squeeze TopK Trilu Unsqueeze
    """,
    (1, 3): "Clip Dropout",
    (1, 4): "Pad Resize",
    (1, _MANY): "Concat Einsum Max Mean Min Sum",
    (2, 2): """
        Add And BitwiseAnd BitwiseOr BitwiseXor CastLike CenterCropPad CumSum Div Equal Expand Gather GatherElements
        GatherND Greater GreaterOrEqual GridSample Less LessOrEqual MatMul Mod Mul Or PRelu Pow RMSNormalization Reshape
        Sub Tile Xor
    """,
    (2, 3): "Conv ConvTranspose DequantizeLinear Gemm LayerNormalization QuantizeLinear",
    (2, 4): "ConvInteger MatMulInteger",
    (3, 3): "GroupNormalization InstanceNormalization OneHot Range RoiAlign ScatterElements ScatterND Where",
    (3, 5): "DeformConv Slice",
    (3, 7): "Attention",
    (5, 5): "BatchNormalization",
    (8, 8): "QLinearMatMul",
    (8, 9): "QLinearConv",
}

OPERATORS = {name: counts for counts, names in _BY_INPUTS.items() for name in names.split()}
"""Least and most inputs of each operator."""

SEVERAL_OUTPUTS = frozenset({"Split", "TopK", "Dropout", "MaxPool", "LayerNormalization", "DynamicQuantizeLinear"})
"""Operators that may make more than one value."""

SHAPED_BY = {"ConstantOfShape": 0, "Expand": 1, "Pad": 1, "Reshape": 1, "Resize": 3, "Tile": 1}
"""Which input gives the size of the result, or its scale: a few numbers can ask for any amount of memory."""
