"""Panels in notebook cells: the kernel's side of them."""
