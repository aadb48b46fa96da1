"""RetinaNet with the FSAF module (Zhu et al. 2019)."""
