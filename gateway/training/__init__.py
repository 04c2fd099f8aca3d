"""Weights from data: slices, masks, losses and the loop; the service never imports it."""
