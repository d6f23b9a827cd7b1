"""The asya command."""
