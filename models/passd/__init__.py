"""PASSD (Jang et al. 2019): propose and attend."""
