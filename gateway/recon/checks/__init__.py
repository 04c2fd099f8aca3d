"""What an image says of itself without the truth, by the operators of the scan: numbers and maps, never a verdict."""
