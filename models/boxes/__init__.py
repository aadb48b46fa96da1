"""Box geometry, default boxes and anchors, matching."""
