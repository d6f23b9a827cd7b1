"""The controller's rules: facts and a time in, decisions out."""
