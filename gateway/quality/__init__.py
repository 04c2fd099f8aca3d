"""May this image leave? Checks without ground truth."""
