"""Generated walls whose truth is known."""
