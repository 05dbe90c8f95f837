"""Revisions of posts, and their Markdown as HTML."""
