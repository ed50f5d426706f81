"""Models: CLIPSeg with its full-resolution branch, other text-to-mask models, number formats, ONNX."""
