"""Training a segmenter: the loop, what it reads, how photos are varied, the losses, the cache of frozen features."""
