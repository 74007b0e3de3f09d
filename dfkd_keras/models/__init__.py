"""Networks: students, teachers to train, and generators."""

from dfkd_keras.models.alexnet import alexnet
from dfkd_keras.models.compact import compact_cnn
from dfkd_keras.models.deeplab import small_deeplab
from dfkd_keras.models.generator import dcgan_generator, sigmoid_generator, upsampling_generator
from dfkd_keras.models.keras_cv_deeplab import deeplab_mobilenet_v3, deeplab_resnet_v2
from dfkd_keras.models.lenet import lenet5, lenet5_half
from dfkd_keras.models.preprocessed import preprocessed
from dfkd_keras.models.python_network import python_network
from dfkd_keras.models.resnet import cifar_resnet, resnet
from dfkd_keras.models.slim import slim
from dfkd_keras.models.vgg import vgg
from dfkd_keras.models.wide_resnet import wide_resnet

__all__ = [
    "alexnet",
    "cifar_resnet",
    "compact_cnn",
    "dcgan_generator",
    "deeplab_mobilenet_v3",
    "deeplab_resnet_v2",
    "lenet5",
    "lenet5_half",
    "preprocessed",
    "python_network",
    "resnet",
    "sigmoid_generator",
    "slim",
    "small_deeplab",
    "upsampling_generator",
    "vgg",
    "wide_resnet",
]
