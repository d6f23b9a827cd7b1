"""The mesh on one machine, no cluster."""
