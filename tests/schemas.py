#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON Schemas of manifests/ hold our samples to what our own readers hold them to.

Every valid sample is valid under the schema of its type, and stops being so when any one of its
members is missing or an unknown one is added. Which invalid samples a schema refuses stands
nowhere: a schema sees no sums and no orders.
"""
import copy
import json
import os
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("python3-jsonschema is missing")
    sys.exit(77)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "manifests")
OPEN_TYPES = {"history"}  # may have further members
OPTIONAL = {"offer": {"serial", "wwn"}}
TYPES = ["card", "commit", "custody", "hello", "history", "manifest", "medium", "offer", "receipt",
         "set", "volume"]


def places(value, path=()):
    """The path of every object in @value."""
    if isinstance(value, dict):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in inner:
        if isinstance(member, (dict, list)):
            yield from places(member, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def load(*names):
    with open(os.path.join(HERE, *names), encoding="utf-8") as file:
        return json.load(file)


def strictness(name, kind, validator, sample):
    """Complaints about what the schema lets through."""
    for path in places(sample):
        for key in list(at(sample, path)):
            if kind in OPEN_TYPES and key not in validator.schema["required"]:
                continue
            if kind in OPEN_TYPES and path or key in OPTIONAL.get(kind, ()):
                continue
            worse = copy.deepcopy(sample)
            del at(worse, path)[key]
            if validator.is_valid(worse):
                yield f"{name}: valid without {path + (key,)}"
        if kind not in OPEN_TYPES:
            worse = copy.deepcopy(sample)
            at(worse, path)["surplus"] = 1
            if validator.is_valid(worse):
                yield f"{name}: valid with an unknown member at {path}"


def main():
    bad, seen = [], set()
    validators = {}
    for kind in TYPES:
        schema = load("schemas", kind + ".schema.json")
        Draft202012Validator.check_schema(schema)
        validators[kind] = Draft202012Validator(schema)
    for name in sorted(os.listdir(os.path.join(HERE, "valid"))):
        kind = name.split("-")[0].removesuffix(".json")
        sample = load("valid", name)
        seen.add(kind)
        bad += [f"{name}: {e.json_path}: {e.message}" for e in validators[kind].iter_errors(sample)]
        bad += strictness(name, kind, validators[kind], sample)
        for other in set(TYPES) - {kind}:
            if validators[other].is_valid(sample):
                bad.append(f"{name}: valid as a {other} too")
    bad += [f"no valid sample of a {kind}" for kind in TYPES if kind not in seen]
    for complaint in bad:
        print(complaint)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
