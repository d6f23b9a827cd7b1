"""In envelope mode a handler sees the whole envelope and may change what comes next, never what has been."""


def classify(envelope):
    model = "small" if len(envelope["payload"]["prompt"]) < 40 else "large"
    envelope["route"]["next"] = [model]
    envelope["headers"]["model"] = model
    return envelope


def small(payload):
    return {"answered_by": "small", "prompt": payload["prompt"]}


def large(payload):
    return {"answered_by": "large", "prompt": payload["prompt"]}
