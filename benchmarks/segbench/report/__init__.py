"""Reports: terminal, Markdown, HTML."""
