"""The kernel of the offset convolution: cases with their results in float64, and how it is launched."""
