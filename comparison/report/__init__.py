"""The comparison's results, as Markdown, JSON and a plot."""
