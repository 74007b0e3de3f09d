"""A student made of its teacher's most useful channels."""

import keras
import numpy as np

from dfkd_keras.models.slim.budget import FEWEST, kept_at_share, kept_at_width
from dfkd_keras.models.slim.graph import read_graph
from dfkd_keras.models.slim.groups import dependencies
from dfkd_keras.models.slim.ranking import ranked_groups
from dfkd_keras.models.slim.refit import refit as refit_layers
from dfkd_keras.models.slim.surgery import slim_network
from dfkd_keras.utils.errors import InvalidInputError


def slim(
    model: keras.Model,
    images: np.ndarray,
    parameters: float | None = None,
    width: float | None = None,
    refit: bool = True,
) -> keras.Model:
    """Makes a smaller network of the most useful channels of another one.

    Channels that depend on each other, such as those that are added, are kept or cut together. Kept are those from
    which, on the images, the next layers' outputs can best be predicted; with `parameters`, as many of each group as
    pay for their parameters. What the others contributed is made good layer by layer by ridge regression. Layers that
    cannot be followed are kept whole, and named in the log. The input and the outputs stay as they are.

    Args:
        model: Functional or Sequential Keras model of one input. It is left as it is.
        images: Array `[N, ...]` of inputs in the form that the model takes; no labels are needed, and images that
            nobody trained on will do, such as 1,000 of `ProceduralImages`.
        parameters: Float in (0, 1]. The share of the model's parameters to have at most. Defaults to None.
        width: Float in (0, 1]. The share of the channels of each group to keep, at least 2. Give either this or
            `parameters`. Defaults to None.
        refit: Boolean. Whether to refit the weights. Defaults to True.

    Returns:
        Functional Keras model of the same kinds of layers, trainable.

    Raises:
        InvalidInputError: If not one of `parameters` and `width` is given, or out of range; if the images do not fit
            the model; if it has no channels that can be cut, or too few for the share.

    References:
        - Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
        - He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017.

    Example:
        >>> student = slim(teacher, images, parameters=0.25)
    """
    _check_share(parameters, width)
    images = _checked_images(model, images)
    graph = read_graph(model)
    found = dependencies(graph, graph.shapes(images))
    if all(len(group) <= FEWEST for group in found.groups):
        whole = f" ({', '.join(found.kept_whole)} cannot be followed)" if found.kept_whole else ""
        raise InvalidInputError(
            f"model {model.name!r} has no channels that can be cut{whole}: train a student from scratch."
        )
    rankings = ranked_groups(graph, found, images)
    if width is not None:
        kept = kept_at_width(found, rankings, width)
    else:
        kept = kept_at_share(graph, found, rankings, parameters)
    network, layers = slim_network(model, graph, found, kept)
    if refit:
        refit_layers(graph, layers, found, kept, images)
    return network


def can_be_slimmed(model: keras.Model, images: np.ndarray) -> bool:
    """Returns whether a model has channels that can be cut; the arguments are those of `slim`."""
    try:
        graph = read_graph(model)
        groups = dependencies(graph, graph.shapes(_checked_images(model, images))).groups
    except InvalidInputError:
        return False
    return any(len(group) > FEWEST for group in groups)


def _check_share(parameters: float | None, width: float | None) -> None:
    if (parameters is None) == (width is None):
        raise InvalidInputError(f"slim(parameters={parameters}, width={width}): give exactly one of the two.")
    name, share = ("parameters", parameters) if width is None else ("width", width)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InvalidInputError(f"slim({name}={share!r}) must be a number above 0 and at most 1, such as 0.25.")


def _checked_images(model: keras.Model, images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple):
        return images  # `read_graph` says what is wrong with such a model
    fits = len(images.shape) == len(shape) and all(
        length in (None, given) for length, given in zip(shape[1:], images.shape[1:], strict=True)
    )
    if not fits or len(images) < 2:
        raise InvalidInputError(
            f"slim(images of shape {images.shape}) do not fit model {model.name!r}, which takes {shape}: give at least "
            "two inputs in the form that it takes."
        )
    return images.astype(model.inputs[0].dtype)
