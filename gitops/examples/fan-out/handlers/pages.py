"""A list is one envelope per item: the first keeps the id, the others get ids of their own and the first as parent."""


def split(payload):
    return [{"document": payload["document"], "page": page} for page in range(1, payload["pages"] + 1)]


def thumbnail(payload):
    return {"thumbnail": f"{payload['document']}-{payload['page']}.png"}
