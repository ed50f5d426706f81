"""Exchange: labels and tables out to other tools, labels back from them."""
