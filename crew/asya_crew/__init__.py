"""The mesh's own actors: handlers that run like any user's."""
