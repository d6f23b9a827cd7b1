"""The file source's edge: reads files, applies AsyncActors, waits for changes. Run by `asya sync` and by the controller."""
