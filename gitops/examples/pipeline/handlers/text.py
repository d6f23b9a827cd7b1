"""Three steps over one text. No step knows the others: the route of the envelope joins them."""


def split(payload):
    return {"words": payload["text"].split()}


def count_words(payload):
    counts = {}
    for word in payload["words"]:
        counts[word] = counts.get(word, 0) + 1
    return {"counts": counts}


def report(payload):
    word, times = max(payload["counts"].items(), key=lambda item: item[1])
    return {"most_frequent": word, "times": times}
