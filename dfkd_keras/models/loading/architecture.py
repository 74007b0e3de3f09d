"""Architectures that Keras 1 and 2 wrote as JSON, rewritten as Keras 3 writes them.

Layers and arguments had other names, the first layer of a `Sequential` held the shape of its inputs, nodes of nested
models were counted from 1, and `hard_sigmoid` was another function. What only training needs (initializers,
regularizers, constraints) is left out; an argument that is neither known nor harmless is an error.
"""

import inspect
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import keras
from keras import ops

from dfkd_keras.models.loading.legacy_nodes import Config, layer_name, modern_call, modern_ends, tensorflow_operation
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import PACKAGE

RENAMED_CLASSES = {
    "AtrousConvolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Container": "Functional",
    "Convolution2D": "Conv2D",
    "Model": "Functional",
    "Network": "Functional",
    "SeparableConvolution2D": "SeparableConv2D",
    "ThresholdedReLU": "ReLU",
}
MODELS = ("Functional", "Sequential")
TENSORFLOW_FUNCTIONS = ("SlicingOpLambda", "TFOpLambda")
RENAMED_ARGUMENTS = {
    "alpha": "negative_slope",
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "sigma": "stddev",
    "subsample": "strides",
    "theta": "threshold",
}
ONLY_FOR_TRAINING = ("initializer", "regularizer", "constraint", "init")  # how names of arguments end
HARMLESS_VALUES = {"groups": 1, "mode": 0, "renorm": False, "softmax_robust_masking": False, "time_major": False}
HARMLESS = {
    "batch_input_shape", "consume_less", "dynamic", "function_type", "fused", "implementation", "input_dim",
    "input_dtype", "input_shape", "key_shape", "module", "nb_col", "nb_row", "output_shape_module", "output_shape_type",
    "query_shape", "renorm_clipping", "renorm_momentum", "rng_type", "trainable", "value_shape",
}  # fmt: skip
HARD_SIGMOID = f"{PACKAGE}>keras_2_hard_sigmoid"


@keras.saving.register_keras_serializable(PACKAGE)
def keras_2_hard_sigmoid(x: Any) -> Any:
    """Returns the `hard_sigmoid` of Keras 1 and 2, whose slope is 1/5, not Keras 3's 1/6."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def load_architecture(path: Path, safe_mode: bool, custom_objects: Mapping[str, Any]) -> keras.Model:
    """Returns a network with the architecture of a JSON file, as `model.to_json()` writes it in any version of Keras.

    Args:
        path: Path. The file.
        safe_mode: Boolean. Whether to refuse code inside the file.
        custom_objects: Mapping. The user's own classes and functions by their names.

    Raises:
        InvalidInputError: If it is of Keras 1 or 2, and Keras 3 has nothing that does the same.
    """
    config = json.loads(path.read_text(encoding="utf-8-sig"))
    config = json.loads(config) if isinstance(config, str) else config  # a string, if it was encoded twice
    config = {"class_name": "Sequential", "config": config} if isinstance(config, list) else config
    config = modernized(config, custom_objects) if is_legacy(config) else config
    return keras.saving.deserialize_keras_object(config, dict(custom_objects), safe_mode=safe_mode)


def is_legacy(config: Config, keras_version: str | None = None) -> bool:
    """Returns whether Keras 1 or 2 wrote an architecture.

    Args:
        config: Dictionary. The architecture.
        keras_version: String. The version that the file names, if it does. Defaults to the one in the architecture.
    """
    version = keras_version or config.get("keras_version")
    return version.startswith(("1.", "2.")) if version else "module" not in config


def modernized(config: Config, custom_objects: Mapping[str, Any]) -> Config:
    """Returns an architecture of Keras 1 or 2 for `keras.saving.deserialize_keras_object`.

    Args:
        config: Dictionary. The architecture, `{"class_name": ..., "config": ...}`.
        custom_objects: Mapping. The user's own classes and functions by their names.

    Raises:
        InvalidInputError: If a layer, or what it was told, does not exist in Keras 3.
    """
    return _Writer(custom_objects).layer(config)


def unknown_class(name: str) -> str:
    """Returns what is to be done about a class or function that Keras does not know."""
    return (
        f"{name} must be known: register it with @keras.saving.register_keras_serializable in a module that the gin "
        "file imports, or name the module that defines it, --custom_objects=MODULE."
    )


class _Writer:
    """Rewrites layers, where the user's own ones are known."""

    def __init__(self, custom_objects: Mapping[str, Any]):
        self.custom_objects = custom_objects

    def layer(self, entry: Config) -> Config:
        """Returns a layer or model as Keras 3 writes it."""
        written, name = entry["class_name"], RENAMED_CLASSES.get(entry["class_name"], entry["class_name"])
        for registered in filter(self._is_custom, (entry.get("registered_name") or written, written)):
            return {"module": None, "registered_name": registered, "class_name": written, "config": entry["config"]}
        if name in MODELS:
            is_functional = name == "Functional"  # which is private in Keras 3, and what `Model` makes of this
            config = self._functional(entry["config"]) if is_functional else self._sequential(entry["config"])
            name = "Model" if is_functional else name
            return {"module": "keras", "registered_name": None, "class_name": name, "config": config}
        cls = getattr(keras.layers, name, None)
        if not inspect.isclass(cls):
            raise InvalidInputError(f"has a layer of a class that Keras does not know: {unknown_class(written)}")
        config = self._arguments(cls, dict(entry["config"]))
        return {"module": "keras.layers", "registered_name": None, "class_name": name, "config": config}

    def _is_custom(self, name: str) -> bool:
        return keras.saving.get_registered_object(name, custom_objects=dict(self.custom_objects)) is not None

    def _sequential(self, config: Any) -> Config:
        config = {"layers": config} if isinstance(config, list) else config  # as Keras 1 wrote it
        layers, first = [self.layer(each) for each in config["layers"]], config["layers"][0]
        shape = isinstance(first["config"], dict) and first["config"].get("batch_input_shape")
        if shape and layers[0]["class_name"] not in ("InputLayer", "Model", "Sequential"):
            layers.insert(0, _input_layer(shape, f"{layers[0]['config']['name']}_input"))
        built = {"build_input_shape": config["build_input_shape"]} if config.get("build_input_shape") else {}
        return {"name": config.get("name", "sequential"), "layers": layers, **built}

    def _functional(self, config: Config) -> Config:
        kinds = {each["name"]: RENAMED_CLASSES.get(each["class_name"], each["class_name"]) for each in config["layers"]}
        nested = {name for name, kind in kinds.items() if kind in MODELS}
        # Keras 3 itself counts an output's nodes from 1 if its layer is functional.
        counted = {"input_layers": nested, "output_layers": {name for name in nested if kinds[name] == "Sequential"}}
        kept = {key: config[key] for key in ("name", "trainable") if key in config}
        layers = [self._called_layer(each, nested) for each in config["layers"]]
        return {**kept, "layers": layers, **{key: modern_ends(config[key], names) for key, names in counted.items()}}

    def _called_layer(self, entry: Config, nested: Collection[str]) -> Config:
        """Returns a layer of a functional model with its calls."""
        name = {"name": layer_name(entry["name"])}
        if entry["class_name"] in TENSORFLOW_FUNCTIONS and not self._is_custom(entry["class_name"]):
            return {**name, **tensorflow_operation(entry, nested)}
        return {**name, **self.layer(entry), "inbound_nodes": [modern_call(c, nested) for c in entry["inbound_nodes"]]}

    def _arguments(self, cls: type, config: Config) -> Config:
        if cls is keras.layers.InputLayer:
            return _input_layer(config.get("batch_input_shape") or config["batch_shape"], **config)["config"]
        _regroup(cls, config)
        accepted, written = _parameters(cls), {}
        for key, value in config.items():
            name = key if key in accepted else RENAMED_ARGUMENTS.get(key, key)
            if name in accepted and not name.endswith(ONLY_FOR_TRAINING):
                written[name] = self._value(name, value, config)
            elif not _is_harmless(key, value):
                raise InvalidInputError(
                    f"has a layer {config.get('name')!r} with {key}={value!r}, unknown to {cls.__name__} of Keras 3: "
                    "export the model as a SavedModel with the Keras that it was made by."
                )
        return written

    def _value(self, name: str, value: Any, config: Config) -> Any:
        if name == "name":
            return layer_name(value)
        if name == "data_format":
            return _channels_last(value, config)
        if name == "axis" and isinstance(value, list) and len(value) == 1:
            return int(value[0])
        if name == "dtype" and isinstance(value, dict):
            return value["config"]["name"]
        if name.endswith("activation"):
            return self._activation(value)
        if name in ("function", "output_shape") and isinstance(value, list) and value and isinstance(value[0], str):
            code = dict(zip(("code", "defaults", "closure"), value, strict=False))
            return {"class_name": "__lambda__", "config": code}
        return self.layer(value) if name == "layer" else value

    def _activation(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value if value.get("class_name") == "function" else self.layer(value)
        if value == "hard_sigmoid" or (value and self._is_custom(value)):
            function = HARD_SIGMOID if value == "hard_sigmoid" else value
            return {"module": "builtins", "class_name": "function", "config": function, "registered_name": function}
        return value.removesuffix("_v2") if value else value


def _parameters(cls: type) -> set[str]:
    """Returns the names of the arguments that a layer class takes, or hands on to its base classes."""
    names: set[str] = set()
    for base in cls.__mro__:
        parameters = inspect.signature(base.__init__).parameters
        names.update(parameters)
        if all(each.kind is not each.VAR_KEYWORD for each in parameters.values()):
            break
    return names - {"self", "args", "kwargs"}


def _is_harmless(name: str, value: Any) -> bool:
    known = name in HARMLESS or name.endswith(ONLY_FOR_TRAINING)
    return known or value is None or (name in HARMLESS_VALUES and HARMLESS_VALUES[name] == value)


def _regroup(cls: type, config: Config) -> None:
    """Rewrites arguments of Keras 1 that have become one, or mean something else."""
    if "nb_row" in config:
        config["kernel_size"] = [config["nb_row"], config["nb_col"]]
    if cls is keras.layers.ZeroPadding2D and len(config["padding"]) == 4:
        config["padding"] = [config["padding"][:2], config["padding"][2:]]


def _channels_last(value: str | None, config: Config) -> str:
    if value not in (None, "tf", "default", "channels_last"):
        raise InvalidInputError(
            f"has a layer {config.get('name')!r} with channels first ({value!r}), and only channels last is supported: "
            "convert the model with the Keras that it was made by."
        )
    return "channels_last"


def _input_layer(batch_shape: list[int | None], name: str, dtype: str | None = None, **_: Any) -> Config:
    """Returns the configuration of an input layer of any batch size."""
    config = {"batch_shape": [None, *batch_shape[1:]], "dtype": dtype, "name": layer_name(name)}
    return {"module": "keras.layers", "registered_name": None, "class_name": "InputLayer", "config": config}
