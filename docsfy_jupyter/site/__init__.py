"""Markdown pages and a plan become a static site that works from disk, under any prefix, and without network."""
