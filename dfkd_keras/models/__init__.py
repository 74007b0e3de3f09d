"""Students, teachers to train, and generators."""

from dfkd_keras.models.alexnet import alexnet
from dfkd_keras.models.generator import sigmoid_generator, upsampling_generator
from dfkd_keras.models.lenet import lenet5, lenet5_half
from dfkd_keras.models.resnet import cifar_resnet, resnet
from dfkd_keras.models.vgg import vgg
from dfkd_keras.models.wide_resnet import wide_resnet

__all__ = [
    "alexnet",
    "cifar_resnet",
    "lenet5",
    "lenet5_half",
    "resnet",
    "sigmoid_generator",
    "upsampling_generator",
    "vgg",
    "wide_resnet",
]
