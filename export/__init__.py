"""From checkpoints to bundles."""

import service  # noqa: F401 (silences the libraries that run models, which is too late once one is imported)
