"""`python -m deploy.manifests`: the Helm chart and the other manifests are what Kubernetes and its operators take."""

import service  # noqa: F401  (it explains packages that are missing)
