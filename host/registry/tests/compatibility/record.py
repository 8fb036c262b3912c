"""record.py URL JUDGE FILE...: the verdicts of a registry that speaks Confluent's API on the cases of each file, `avro`,
`json-further`, whose format is what stands before the dash, into `verdicts/JUDGE-FILE.json`.

A case's earlier versions are registered in a subject of its own, then the new schema is put to the test at every level.
"""
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

LEVELS = ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]
TYPES = {"avro": "AVRO", "json": "JSON", "protobuf": "PROTOBUF"}


def ask(method, path, body=None):
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def wait_until_ready():
    deadline = time.monotonic() + 120
    while True:
        try:
            return ask("GET", "/subjects")
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                sys.exit("the registry at %s did not answer within 120 s" % URL)
            time.sleep(0.2)


def judged(kind, number, case):
    # A subject of this run alone, should the registry have been used before.
    subject = "/subjects/%s-%d-%d" % (kind, RUN, number)

    def body(schema):
        text = schema if isinstance(schema, str) and kind.startswith("protobuf") else json.dumps(schema)
        return {"schemaType": TYPES[kind.split("-")[0]], "schema": text}

    verdict = {"name": case["name"], "allowed": []}
    for level in LEVELS:
        try:
            if level == LEVELS[0]:
                for version in case["versions"]:
                    ask("POST", subject + "/versions", body(version))
            ask("PUT", subject.replace("/subjects/", "/config/"), {"compatibility": level})
            # Where no version is named it asks all of them, at every level.
            against = "/versions" if level.endswith("_TRANSITIVE") else "/versions/latest"
            if ask("POST", "/compatibility" + subject + against, body(case["new"]))["is_compatible"]:
                verdict["allowed"].append(level)
        except urllib.error.HTTPError as error:
            # Some break on recursive schemas, from their registration on, or do not take a schema. That is no verdict.
            if error.code < 500 and error.code != 422:
                raise
            return {"name": case["name"], "failed": error.code}
    return verdict


URL = sys.argv[1]
RUN = int(time.time())
wait_until_ready()
# The versions of a case are registered whatever they are.
try:
    ask("PUT", "/config", {"compatibility": "NONE"})
except urllib.error.HTTPError as error:
    # Apicurio's asks nothing until it is told to, and has no such setting until then.
    if error.code != 404:
        raise
for kind in sys.argv[3:]:
    with open("cases/%s.json" % kind) as file:
        cases = json.load(file)
    lines = []
    for number, case in enumerate(cases):
        try:
            lines.append(json.dumps(judged(kind, number, case), ensure_ascii=False))
        except urllib.error.HTTPError as error:
            sys.exit("%s, case %s: %s %s" % (kind, case["name"], error.code, error.read().decode()))
    with open("verdicts/%s-%s.json" % (sys.argv[2], kind), "w") as file:
        file.write("[\n" + ",\n".join(lines) + "\n]\n")
    print("%s: %d cases" % (kind, len(lines)))
