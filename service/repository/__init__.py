"""The models that are served: loaded, chosen, replaced, watched."""
