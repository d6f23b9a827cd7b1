"""A class is made once, before the actor is ready: the place for a model, a connection, a cache."""


class Counter:
    def __init__(self, start: int = 0):
        self.seen = start

    def count(self, payload):
        self.seen += 1
        return {"item": payload["item"], "number": self.seen}
