"""Handlers just raise. What is tried again, how often and when stands in the actor's YAML."""

attempts = {}


def fetch(payload):
    url = payload["url"]  # a KeyError is rescued by the actor `review`
    if not url.startswith("https://"):
        raise ValueError(f"not an https address: {url}")  # never tried again
    attempts[url] = attempts.get(url, 0) + 1
    if attempts[url] < 3:
        raise ConnectionResetError("connection reset")  # tried again, with growing waits
    return {"url": url, "attempts": attempts.pop(url)}


def review(payload):
    return {"needs_review": payload}
