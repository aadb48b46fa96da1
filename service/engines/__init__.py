"""The engines: images in, candidates out. Each backend has its own module or sub-package."""
