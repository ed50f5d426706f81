"""One file a page: reads the store, lets choose, shows."""
