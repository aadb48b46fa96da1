"""Defines, trains and evaluates two object detectors: PASSD and RetinaNet with the FSAF module."""

import service  # noqa: F401  (it explains packages that are missing)
