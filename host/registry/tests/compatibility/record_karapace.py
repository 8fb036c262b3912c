"""record_karapace.py FILE...: the verdicts of Karapace on the cases of each file, into `verdicts/karapace-FILE.json`.

Asks the functions that Karapace's registry asks itself, so it runs where its Python package `karapace` is installed (in its
container image, or as its own documentation says). No server is needed.
"""
import json
import logging
import sys

from karapace.core.compatibility import CompatibilityModes
from karapace.core.compatibility.schema_compatibility import SchemaCompatibility
from karapace.core.schema_models import ParsedTypedSchema, ValidatedTypedSchema
from karapace.core.schema_type import SchemaType

logging.disable(logging.CRITICAL)
LEVELS = ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]
TYPES = {"avro": SchemaType.AVRO, "json": SchemaType.JSONSCHEMA, "protobuf": SchemaType.PROTOBUF}


def judged(kind, case):
    of = TYPES[kind.split("-")[0]]
    text = lambda schema: schema if of is SchemaType.PROTOBUF else json.dumps(schema)
    verdict = {"name": case["name"], "allowed": []}
    reasons = set()
    try:
        olds = [ParsedTypedSchema.parse(of, text(version)) for version in case["versions"]]
        new = ValidatedTypedSchema.parse(of, text(case["new"]))
        for level in LEVELS:
            asked = olds if level.endswith("_TRANSITIVE") else olds[-1:]
            results = [SchemaCompatibility.check_compatibility(old, new, CompatibilityModes[level]) for old in asked]
            if all(result.compatibility.name == "compatible" for result in results):
                verdict["allowed"].append(level)
            reasons.update(str(getattr(i, "name", i)).split(".")[-1] for r in results for i in r.incompatibilities)
    except Exception as error:  # What it cannot parse or compare has no verdict.
        return {"name": case["name"], "unjudged": type(error).__name__}
    if reasons:
        verdict["reasons"] = sorted(reasons)
    return verdict


for kind in sys.argv[1:]:
    with open("cases/%s.json" % kind) as file:
        verdicts = [judged(kind, case) for case in json.load(file)]
    with open("verdicts/karapace-%s.json" % kind, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(v, ensure_ascii=False) for v in verdicts) + "\n]\n")
    left = sum("unjudged" in v for v in verdicts)
    print("%s: %d cases, %d without a verdict" % (kind, len(verdicts), left))
