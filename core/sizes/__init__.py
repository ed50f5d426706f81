"""Sizes: lengths and widths of masks, in pixels and millimetres."""
