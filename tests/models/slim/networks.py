"""Tiny networks of every kind of layer and junction; `c` is the number of channels of each hidden layer."""

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.backend.keras_internals import flatten_layers

SHAPE = (8, 8, 3)


def plain(x, c):
    x = layers.Conv2D(c, 3, activation="relu")(layers.Rescaling(1 / 127.5, -1.0)(x))
    x = layers.Conv2D(c, 3, 2, padding="same", activation="elu")(layers.MaxPooling2D(padding="same")(x))
    return layers.Dense(c, "tanh")(layers.Dropout(0.5)(layers.Flatten()(x)))


def convolutions_of_one_axis(x, c):
    x = layers.Conv1D(c, 3, padding="causal", dilation_rate=2)(layers.Reshape((8, 24))(x))
    x = layers.Conv1D(c, 3, padding="same", activation="relu")(layers.ZeroPadding1D(1)(x))
    return layers.GlobalMaxPooling1D()(layers.SeparableConv1D(c, 3)(layers.Cropping1D(1)(x)))


def residual(x, c):
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(c, 3, use_bias=False)(x)))
    branch = layers.Conv2D(c, 3, 2, padding="same")(layers.Conv2D(c, 3, padding="same", activation="relu")(x))
    x = layers.ReLU()(layers.Add()([branch, layers.Conv2D(c, 1, 2)(x)]))
    x = layers.Average()([x, layers.Conv2D(c, 3, padding="same")(x)])
    return layers.GlobalAveragePooling2D()(x)


def padded_shortcuts(x, c):
    x = layers.Conv2D(c, 3, padding="same", activation="relu")(x)
    turned = layers.ZeroPadding2D(((0, 0), (c // 2, c // 2)))(layers.Permute((1, 3, 2))(layers.AveragePooling2D(2)(x)))
    x = layers.Add()([layers.Permute((1, 3, 2))(turned), layers.Conv2D(2 * c, 3, 2, padding="same")(x)])
    padded = ops.pad(layers.ReLU()(x), ((0, 0), (1, 1), (1, 1), (0, c)))
    x = layers.Add()([padded, layers.Conv2D(3 * c, 1)(layers.ZeroPadding2D()(x))])
    return layers.GlobalAveragePooling2D()(layers.ReLU()(x))


def squeeze_excite(x, c):
    x = layers.Conv2D(c, 3, activation="relu")(x)
    weight = layers.Dense(c // 2, "relu")(layers.Reshape((1, 1, c))(layers.GlobalAveragePooling2D()(x)))
    x = layers.Multiply()([x, layers.Dense(c, "sigmoid")(weight)])
    x = layers.Multiply()([x, layers.Conv2D(1, 1, activation="sigmoid", name="kept_mask")(x)])
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


def dense_block(x, c):
    x = layers.Conv2D(c, 3, padding="same", activation="relu")(x)
    for _ in range(2):
        x = layers.Concatenate()([x, layers.Conv2D(c, 3, padding="same", activation="relu")(x)])
    x = layers.Concatenate(axis=1)([layers.Conv2D(c, 1)(x), layers.Conv2D(c, 1)(x)])
    return layers.Flatten()(layers.AveragePooling2D(2)(x))


def mobile(x, c):
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(c, 3, 2, use_bias=False)(layers.ZeroPadding2D()(x))))
    x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = layers.BatchNormalization()(layers.Conv2D(c, 1, use_bias=False)(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)
    x = layers.SeparableConv2D(c, 3, depth_multiplier=2, activation="relu")(x)
    return layers.GlobalAveragePooling2D()(layers.SpatialDropout2D(0.1)(x))


def separable(x, c):
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(c, 3, use_bias=False)(x)))
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, use_bias=False)(x))
    x = layers.SeparableConv2D(c, 3, activation="relu")(x)
    return layers.GlobalAveragePooling2D()(layers.Conv2DTranspose(c, 3, 2, padding="same", activation="elu")(x))


def upsampling(x, c):
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(c, 3, 2)(x))
    x = layers.PReLU()(layers.Conv2DTranspose(c, 3, 2)(layers.Cropping2D(1)(x)))
    x = layers.Conv2D(c, 3, activation="silu")(layers.UpSampling2D()(x))
    return layers.GlobalMaxPooling2D()(layers.LeakyReLU()(x))


def group_norms(x, c):
    x = layers.GroupNormalization(c // 2, name="pairs_norm")(layers.Conv2D(c, 3, name="pairs_made")(x))
    return layers.Flatten()(layers.GroupNormalization(-1, name="pairs_own")(layers.ReLU()(x)))


def reshapes(x, c):
    x = layers.Reshape((4, 4, c))(layers.Dense(16 * c, "relu")(layers.Flatten()(x)))
    x = layers.Permute((3, 1, 2))(layers.Conv2D(c, 3, activation="relu")(x))
    return layers.Flatten()(layers.Activation("tanh")(layers.Reshape((c, -1))(x)))


def nested(x, c):
    inputs = keras.Input((None, None, 3))
    inner = keras.Model(inputs, layers.Conv2D(c, 3, activation="relu", name="same_name")(inputs))
    tail = keras.Sequential([layers.Conv2D(c, 3, activation="relu", name="same_name"), layers.Flatten()])
    return layers.Dense(c, "relu")(tail(inner(x)))


def shared(x, c):
    conv, norm = layers.Conv2D(c, 3, padding="same", activation="relu"), layers.BatchNormalization()
    x = layers.Conv2D(c, 3, activation="relu")(x)
    return layers.GlobalAveragePooling2D()(norm(conv(norm(conv(x)))))


def shared_shapes(x, c):
    reshape, norm = layers.Reshape((1, 1, -1)), layers.GroupNormalization(1, center=False, scale=False)
    for _ in range(2):
        x = norm(layers.Conv2D(c, 3, activation="relu")(x))
        x = layers.Multiply()([x, reshape(layers.Dense(c, "sigmoid")(layers.GlobalAveragePooling2D()(x)))])
    return layers.Flatten()(x)


def operations(x, c):
    x = ops.relu(layers.Conv2D(c, 3)(x)) * 0.5
    x = ops.maximum(x, layers.Conv2D(c, 1)(x)) - layers.Conv2D(c, 1)(x)
    return ops.mean(x, axis=(1, 2))


def perceptron(x, c):
    return layers.Dense(c, "relu")(layers.Dense(2 * c, "gelu")(layers.Flatten()(x)))


EXACT = [
    plain,
    convolutions_of_one_axis,
    residual,
    squeeze_excite,
    dense_block,
    mobile,
    upsampling,
    group_norms,
]
EXACT += [reshapes, nested, shared, operations, perceptron]


def layer_norms(x, c):
    x = layers.LayerNormalization()(layers.Conv2D(c, 3)(x))
    x = layers.LayerNormalization(axis=[1, 2, 3])(layers.Conv2D(c, 3, activation="relu")(x))
    return layers.Flatten()(layers.RMSNormalization()(layers.Conv2D(c, 3)(x)))


def network(body, c=8, shape=SHAPE, head="softmax"):
    """Returns the network of a body, all of whose weights are random."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape, name="images")
    model = keras.Model(inputs, layers.Dense(4, head, name="head")(body(inputs, c)), name=body.__name__)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(weight + rng.uniform(-0.1, 0.1, weight.shape))
    return model


def duplicate_channels(model):
    """Makes every channel of all hidden layers there twice, so that one of the two can stand for both."""
    for layer in model.layers:
        for weight in layer.weights if layer.name != "head" else ():
            is_depthwise = isinstance(layer, layers.DepthwiseConv2D) or weight.name == "depthwise_kernel"
            is_swapped = isinstance(layer, layers.Conv2DTranspose) or is_depthwise
            values = np.array(ops.convert_to_numpy(weight))
            channels = np.moveaxis(values, -2 if is_swapped and values.ndim > 1 else -1, -1)
            channels[..., 1::2] = channels[..., ::2]
            weight.assign(values)


def silence_every_second_channel(model):
    """Makes every second channel of all hidden layers zero, so that nothing is lost without them."""
    for layer in flatten_layers(model):
        if layer.name == "head" or layer.name.startswith("kept"):
            continue
        for name in ("kernel", "pointwise_kernel", "bias", "beta", "moving_mean"):
            weight = getattr(layer, name, None)
            if weight is None or (name == "kernel" and isinstance(layer, layers.DepthwiseConv2D)):
                continue
            values = np.array(ops.convert_to_numpy(weight))
            axis = -2 if isinstance(layer, layers.Conv2DTranspose) and name == "kernel" else -1
            silent = np.moveaxis(values, axis, -1)
            silent[..., _silent(layer, silent.shape[-1])] = 0.0
            weight.assign(values)


def _silent(layer, count):
    """Returns every second channel, or every second pair where channels come in pairs."""
    pairs = layer.name.startswith("pairs") or getattr(layer, "depth_multiplier", 1) == 2
    return np.arange(count) // (2 if pairs else 1) % 2 == 1


def random_images(count=40, shape=SHAPE):
    return np.random.default_rng(1).uniform(size=(count, *shape)).astype("float32")
