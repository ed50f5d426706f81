"""The store: one face for samples, labels, reviews, runs and scores, over one database."""
