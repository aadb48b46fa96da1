"""`python -m service.benchmark`: open-loop load and a report."""
