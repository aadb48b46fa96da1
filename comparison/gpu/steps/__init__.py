"""The steps of the check: each module has `run(options, findings)`, which runs in a process of its own."""
