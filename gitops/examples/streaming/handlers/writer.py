"""A generator streams: ("FLY", value) goes to whoever watches the task at once, every other value is a result."""


def write(payload):
    words = []
    for word in f"a few words about {payload['topic']}".split():
        yield "FLY", word
        words.append(word)
    yield {"text": " ".join(words)}
