"""`python -m comparison.gpu`: checks and measures this project on a machine with an NVIDIA GPU."""
