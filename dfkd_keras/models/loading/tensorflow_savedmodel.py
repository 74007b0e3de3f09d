"""TensorFlow SavedModels, of any version of Keras or of plain TensorFlow, as Keras models."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
from keras import ops

from dfkd_keras.models.loading.image_network import is_channels_first, known_shape
from dfkd_keras.utils.errors import InvalidInputError

DEFAULT_SIGNATURE, INITIALIZATION = "serving_default", "__saved_model_init_op"


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a SavedModel computes from images.

    Attributes:
        name: String. Name of the signature.
        input: String. Name of its input.
        dtype: String. The data type of the images.
        shape: Tuple of integers. The shape of a batch of images; None stands for any size, or for an unknown shape.
    """

    name: str
    input: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def takes_floats(self) -> bool:
        """Boolean. Whether gradients can pass to the images."""
        return self.dtype in ("float16", "bfloat16", "float32", "float64")


def savedmodel_network(path: Path, image_shape: tuple[int, ...] | None = None) -> keras.Model:
    """Returns a SavedModel as a functional model with a dictionary of outputs; gradients pass to its images.

    Args:
        path: Path. The folder.
        image_shape: Tuple of integers. Height, width and channels, for one that does not know them. Defaults to None.

    Raises:
        InvalidInputError: If it has no signature of one input of float images, or the backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise InvalidInputError(f"needs the TensorFlow backend, not {keras.backend.backend()!r}: give a .keras file.")
    signature = read_signature(path)
    if not signature.takes_floats:
        raise InvalidInputError(
            f"takes images: {signature.dtype}: a gradient has to pass to one input of float images; export the model "
            "again with such a signature."
        )
    batch, *shape = signature.shape or (None, *known_shape(None, image_shape))
    # Keras casts the images to the layer's data type.
    function = keras.layers.TFSMLayer(str(path), signature.name, trainable=False, dtype=signature.dtype)
    channels_first = is_channels_first(shape)
    images = keras.Input((*shape[1:], shape[0]) if channels_first else shape, name="images")
    inputs = ops.transpose(images, (0, 3, 1, 2)) if channels_first else images
    outputs = function(inputs) if batch is None else InBatches(function, batch)(inputs)
    if channels_first:
        outputs = keras.tree.map_structure(_channels_last, outputs)
    return keras.Model(images, outputs, name=path.resolve().parent.name if path.name.isdigit() else path.name)


def read_signature(path: Path) -> Signature:
    """Returns the signature of a SavedModel that takes images: the default one, or the only one.

    Raises:
        InvalidInputError: If there is none, or it has several inputs.
    """
    from tensorflow import dtypes
    from tensorflow.core.protobuf import saved_model_pb2

    graphs = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs
    graph = next((graph for graph in graphs if "serve" in graph.meta_info_def.tags), graphs[0])
    found = {name: each for name, each in graph.signature_def.items() if name != INITIALIZATION}
    name = next(iter(found)) if len(found) == 1 else DEFAULT_SIGNATURE
    if name not in found:
        raise InvalidInputError(
            f"has the signatures {sorted(found)}, but no {DEFAULT_SIGNATURE!r}: export it again with model.export()."
        )
    inputs = {name: dtypes.as_dtype(each.dtype).name for name, each in found[name].inputs.items()}
    if len(inputs) != 1:
        raise InvalidInputError(
            f"takes {', '.join(f'{name}: {dtype}' for name, dtype in sorted(inputs.items()))}: a teacher takes images "
            "alone; export the model again with one input."
        )
    ((image_input, spec),) = found[name].inputs.items()
    sizes = tuple(None if size.size < 0 else size.size for size in spec.tensor_shape.dim)
    return Signature(name, image_input, inputs[image_input], None if spec.tensor_shape.unknown_rank else sizes)


class InBatches(keras.layers.Layer):
    """Applies a layer to any number of images, where the layer itself takes a fixed number.

    Args:
        layer: Keras layer.
        size: Integer. The number of images that it takes.
    """

    def __init__(self, layer: keras.layers.Layer, size: int):
        super().__init__(name=f"{layer.name}_in_batches", trainable=False, dtype=layer.dtype)
        self.layer, self.size = layer, size

    def call(self, images: Any) -> Any:
        """Returns what the layer returns for all images, of which the last batch is filled up."""
        count = ops.shape(images)[0]
        filled = ops.concatenate([images, ops.repeat(images[-1:], -count % self.size, axis=0)])
        batches = ops.reshape(filled, (-1, self.size, *images.shape[1:]))
        outputs = ops.map(self.layer, batches)
        return keras.tree.map_structure(lambda x: ops.reshape(x, (-1, *x.shape[2:]))[:count], outputs)


def _channels_last(outputs: Any) -> Any:
    return ops.transpose(outputs, (0, 2, 3, 1)) if len(outputs.shape) == 4 else outputs
