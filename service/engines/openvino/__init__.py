"""OpenVINO, the fast engine on a CPU."""
