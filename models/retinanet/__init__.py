"""RetinaNet (Lin et al. 2017) with the FSAF module (Zhu et al. 2019)."""
