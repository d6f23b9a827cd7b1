"""The sidecar's rules: an envelope and an answer in, a decision out."""
