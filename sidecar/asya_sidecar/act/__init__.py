"""The sidecar's hands: obeys decisions, adds no condition of its own."""
