"""Autodiff, devices, precision and state: everything that depends on the backend or on Keras' internals."""
