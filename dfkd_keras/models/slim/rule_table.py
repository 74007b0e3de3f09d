"""Which rule follows which operation."""

import keras
from keras import layers

from dfkd_keras.backend.keras_internals import is_keras_operation
from dfkd_keras.models.slim.rules import (
    Followed,
    Rule,
    Site,
    across_channels,
    by_channel,
    concatenation,
    convolution,
    dense,
    depthwise_convolution,
    elementwise,
    group_norm,
    merging,
    padding,
    permutation,
    reduction,
    rescaling,
    reshaping,
    separable_convolution,
    spatial,
    transposed_convolution,
)

LAYERS: dict[Rule, str] = {
    elementwise: "Activation ReLU LeakyReLU ELU Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D "
    "GaussianNoise GaussianDropout AlphaDropout ActivityRegularization Identity",
    across_channels: "Softmax",
    padding: "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    spatial: "Cropping1D Cropping2D Cropping3D MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D "
    "AveragePooling2D AveragePooling3D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D UpSampling1D UpSampling2D UpSampling3D RepeatVector "
    "UnitNormalization",
    rescaling: "Rescaling",
    merging: "Add Subtract Multiply Average Maximum Minimum",
    concatenation: "Concatenate",
    reshaping: "Flatten Reshape",
    permutation: "Permute",
    by_channel("gamma", "beta", "moving_mean", "moving_variance"): "BatchNormalization",
    by_channel("gamma", "beta"): "LayerNormalization",
    by_channel("scale"): "RMSNormalization",
    by_channel("alpha"): "PReLU",
    group_norm: "GroupNormalization",
    dense: "Dense",
    convolution: "Conv1D Conv2D Conv3D",
    transposed_convolution: "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
    depthwise_convolution: "DepthwiseConv1D DepthwiseConv2D",
    separable_convolution: "SeparableConv1D SeparableConv2D",
}
# The operations behind the functions of `keras.ops`, which have no public names.
OPERATIONS: dict[Rule, str] = {
    elementwise: "Relu Relu6 Sigmoid Silu HardSigmoid HardSilu Elu Selu Gelu LeakyRelu Softplus Tanh Exp Abs Absolute "
    "Negative Square Sqrt Clip",
    merging: "Add Subtract Multiply Maximum Minimum",
    padding: "Pad",
    reduction: "Mean Max",
}
BY_LAYER = {getattr(layers, name): rule for rule, names in LAYERS.items() for name in names.split()}
BY_OPERATION = {name: rule for rule, names in OPERATIONS.items() for name in names.split()}


def rule_for(operation: keras.Operation) -> Rule | None:
    """Returns the rule that follows an operation; subclasses of Keras' layers may compute anything and have none."""
    kind = type(operation)
    return BY_OPERATION.get(kind.__name__) if is_keras_operation(operation) else BY_LAYER.get(kind)


def follow(site: Site) -> Followed | None:
    """Follows a call, or returns None if that is not possible."""
    rule = rule_for(site.operation)
    if rule is None or (len(site.inputs) > 1 and rule not in (merging, concatenation)):
        return None
    return rule(site)
