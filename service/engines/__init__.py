"""The engines: images in, candidates out. Each backend has a module or a room of its own."""
