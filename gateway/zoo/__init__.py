"""The models that a site has: folders with a card and weights, read and held to what their cards say. No torch."""
