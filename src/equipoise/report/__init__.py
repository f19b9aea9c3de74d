"""Reports: a stored run or audit as one HTML file, and cards as JSON and Markdown."""
