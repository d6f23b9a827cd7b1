"""The AsyncActor: its spec and status as models, its rules, defaults, schema and checks.

Source: contract, crd. Pure. `spec`, `status`, `resource`, `structural`, `crd` and `json_schema` import pydantic,
which takes 200 ms; `validate`, `defaults`, `effective` and `rules` do not.
"""
