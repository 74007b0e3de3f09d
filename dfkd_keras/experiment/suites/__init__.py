"""Suites: many teachers times variants of distillation, measured on the teachers' real images."""
