"""Defines, trains and evaluates two object detectors: PASSD and RetinaNet with the FSAF module."""
