"""Which tests need NNCF, which is not among the packages for development."""

from importlib.util import find_spec

import pytest

needs_nncf = pytest.mark.skipif(find_spec("nncf") is None, reason="NNCF is an optional package: pip install .[int8]")
