"""A module for each image format: `read_header` reads its size without decoding a pixel, `decode` gives the pixels."""
