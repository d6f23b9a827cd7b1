"""The proof: mirrors the code; contract/ holds one test per row of a contract table."""
