"""`python -m service.detect`: detects in many pictures without a server."""
