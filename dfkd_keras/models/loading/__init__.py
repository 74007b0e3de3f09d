"""Networks from files, of Keras and TensorFlow of every version."""
