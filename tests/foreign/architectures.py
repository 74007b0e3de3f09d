"""Small classifiers of different families, each a function of the input's shape that ends before the last layer."""

from keras import layers


def separable(images):
    images = layers.Conv2D(32, 3, 2, "same", activation="relu")(images)
    for filters, strides in ((64, 1), (96, 2), (128, 1)):
        images = layers.SeparableConv2D(filters, 3, strides, "same", activation="relu")(images)
    return layers.GlobalAveragePooling2D()(images)


def dense(vectors):
    for units in (256, 128):
        vectors = layers.Dense(units, "elu")(vectors)
    return vectors


def vision_transformer(images, patch=7, width=48, blocks=2):
    patches = layers.Conv2D(width, patch, patch)(images)
    tokens = layers.Reshape((-1, width))(patches)
    # A bias for each position is what a position embedding is.
    tokens = layers.EinsumDense("btc,cd->btd", (tokens.shape[1], width), bias_axes="td")(tokens)
    for _ in range(blocks):
        normalized = layers.LayerNormalization()(tokens)
        tokens = layers.Add()([tokens, layers.MultiHeadAttention(4, width // 4)(normalized, normalized)])
        hidden = layers.Dense(2 * width, "gelu")(layers.LayerNormalization()(tokens))
        tokens = layers.Add()([tokens, layers.Dense(width)(hidden)])
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization()(tokens))


def leaky(images):
    for filters in (24, 48):
        images = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 5, 2, "same")(images))
    return layers.Dense(64, "elu")(layers.Flatten()(images))


def residual(images):
    images = layers.Conv2D(24, 3, 2, "same", activation="relu")(images)
    for _ in range(3):
        hidden = layers.Conv2D(24, 3, padding="same", activation="relu")(images)
        images = layers.ReLU()(layers.Add()([images, layers.Conv2D(24, 3, padding="same")(hidden)]))
    return layers.Flatten()(layers.MaxPooling2D()(images))


def batch_norm(images, widths=(32, 64, 128)):
    for filters in widths:
        images = layers.Conv2D(filters, 3, padding="same", use_bias=False)(images)
        images = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization(momentum=0.9)(images)))
    return layers.Dense(128, "relu")(layers.Flatten()(images))


def group_norm(images):
    for filters in (16, 32, 64, 96):
        images = layers.Conv2D(filters, 3, 2, "same")(images)
        images = layers.ReLU()(layers.GroupNormalization(8)(images))
    return layers.GlobalAveragePooling2D()(images)


def tanh(images):
    for filters in (16, 32, 48, 64):
        images = layers.AveragePooling2D(2)(layers.Conv2D(filters, 3, padding="same", activation="tanh")(images))
    return layers.Dense(96, "tanh")(layers.Flatten()(images))


def depthwise_batch_norm(images):
    images = _normalized(layers.Conv2D(32, 3, padding="same", use_bias=False)(images))
    for filters, strides in ((64, 2), (128, 2), (128, 1), (192, 2)):
        images = _normalized(layers.DepthwiseConv2D(3, strides, "same", use_bias=False)(images))
        images = _normalized(layers.Conv2D(filters, 1, use_bias=False)(images))
    return layers.GlobalAveragePooling2D()(images)


def xception(images):
    images = _normalized(layers.Conv2D(16, 3, 2, use_bias=False)(images))
    for filters in (24, 48, 96):
        shortcut = _batch_norm(layers.Conv2D(filters, 1, 2, "same", use_bias=False)(images))
        for _ in range(2):
            images = _normalized(layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(images))
        images = layers.Add()([layers.MaxPooling2D(3, 2, "same")(images), shortcut])
    return layers.GlobalAveragePooling2D()(images)


def residual_batch_norm(images):
    images = _normalized(layers.Conv2D(24, 3, padding="same", use_bias=False)(images))
    for filters, strides in ((24, 1), (48, 2), (96, 2)):
        hidden = _normalized(layers.Conv2D(filters, 3, strides, "same", use_bias=False)(images))
        hidden = _batch_norm(layers.Conv2D(filters, 3, padding="same", use_bias=False)(hidden))
        if strides > 1:
            images = _batch_norm(layers.Conv2D(filters, 1, strides, use_bias=False)(images))
        images = layers.ReLU()(layers.Add()([images, hidden]))
    return layers.GlobalAveragePooling2D()(images)


def preactivation(images):
    images = layers.Conv2D(16, 3, padding="same", use_bias=False)(images)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        normalized = _normalized(images)
        hidden = _normalized(layers.Conv2D(filters, 3, strides, "same", use_bias=False)(normalized))
        if strides > 1:
            images = layers.Conv2D(filters, 1, strides, use_bias=False)(normalized)
        images = layers.Add()([images, layers.Conv2D(filters, 3, padding="same", use_bias=False)(hidden)])
    return layers.GlobalAveragePooling2D()(_normalized(images))


def layer_norm(images):
    images = layers.LayerNormalization()(layers.Conv2D(64, 4, 4)(images))
    for width in (64, 128):
        if images.shape[-1] != width:
            images = layers.Conv2D(width, 2, 2)(layers.LayerNormalization()(images))
        for _ in range(2):
            hidden = layers.LayerNormalization()(layers.DepthwiseConv2D(5, padding="same")(images))
            hidden = layers.Conv2D(width, 1)(layers.Conv2D(2 * width, 1, activation="gelu")(hidden))
            images = layers.Add()([images, hidden])
    return layers.LayerNormalization()(layers.GlobalAveragePooling2D()(images))


def _batch_norm(images):
    return layers.BatchNormalization(momentum=0.9)(images)


def _normalized(images):
    return layers.ReLU(6.0)(_batch_norm(images))
