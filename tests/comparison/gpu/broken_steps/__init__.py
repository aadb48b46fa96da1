"""Steps that end in each way that a step can end, for the tests of comparison.gpu.run."""
