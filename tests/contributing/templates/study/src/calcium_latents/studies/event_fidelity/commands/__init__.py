"""Commands that the rules of this study call."""
