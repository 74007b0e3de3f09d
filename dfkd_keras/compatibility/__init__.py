"""Checks of whether parts, plan and arguments fit together, made before anything is trained.

All of them raise `InvalidInputError`, with the part to change and the remedy.
"""
