"""Pods of a StatefulSet have stable names, so a handler may keep something per replica."""

import os


def add(payload):
    return {"document": payload["document"], "shard": os.environ["POD_NAME"]}
