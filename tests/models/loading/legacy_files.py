"""HDF5 files as Keras 1 and 2 wrote them, and networks of Keras 3 that do the same."""

import json

import h5py
import keras
import numpy as np


def layer(class_name, name, **arguments):
    """Returns a layer's configuration."""
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **arguments}}


def called(entry, *inputs, **arguments):
    """Returns a layer of a functional model that is called once, with inputs given as (name, node)."""
    nodes = [[[name, node, 0, arguments] for name, node in inputs]] if inputs else []
    return {"name": entry["config"]["name"], "inbound_nodes": nodes, **entry}


def functional(name, layers, inputs, outputs, class_name="Model"):
    """Returns the configuration of a functional model, whose inputs and outputs are given as (name, node)."""
    ends = {"input_layers": [[*end, 0] for end in inputs], "output_layers": [[*end, 0] for end in outputs]}
    return {"class_name": class_name, "config": {"name": name, "layers": layers, **ends}}


def write_weights(group, weights, text=str):
    """Writes weights, a dictionary of arrays for each layer, into an HDF5 file or group."""
    group.attrs["layer_names"] = np.array([name.encode() for name in weights])
    for name, arrays in weights.items():
        layer_group = group.create_group(name)
        layer_group.attrs["weight_names"] = np.array([each.encode() for each in arrays])
        for each, array in arrays.items():
            layer_group[each] = array


def write_model(path, config, weights, **attributes):
    """Writes a whole model; attributes are strings or bytes such as `keras_version`."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs.update(attributes)
        write_weights(file.create_group("model_weights"), weights)


def random_weights(shapes, seed=0):
    """Returns positive float32 arrays of the given shapes, by layer and name."""
    rng = np.random.default_rng(seed)
    return {
        name: {each: rng.uniform(0.1, 1.0, shape).astype("float32") for each, shape in arrays.items()}
        for name, arrays in shapes.items()
    }


def modern(layers, weights):
    """Returns a Sequential of Keras 3 with these weights, in the order of its layers."""
    model = keras.Sequential(layers)
    model.set_weights([array for arrays in weights.values() for array in arrays.values()])
    return model
