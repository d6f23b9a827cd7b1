"""The file source's rules: text to actors, actors and live objects to one pass (contract: cli, "asya sync")."""
