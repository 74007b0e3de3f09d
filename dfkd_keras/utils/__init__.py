"""Checks, files and serialization, without any knowledge of distillation."""
