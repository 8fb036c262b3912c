"""Records that differ in one field, over the buffers that the host's own codec writes."""

import json
import sys
import unittest
from pathlib import Path
from struct import pack, unpack_from

sys.path[:0] = [str(Path(__file__).parents[1])]

from millrace_plugin import Fatal, Transform  # noqa: E402
from millrace_plugin.rows import NONE, spread  # noqa: E402
from millrace_plugin.testing import run  # noqa: E402

VECTORS = Path(__file__).parents[3] / "wit/row/vectors"
FIELDS = {"n": (0, "int64"), "t": (1, "text"), "b": (2, "boolean"), "f": (3, "float64"), "x": (4, "bytes")}


def records(rows):
    """(schema, slots of the value, what is before and behind it); a text or bytes of slots 1 and 4 in their place."""
    n, n_topics, at = unpack_from("<III", rows, 4)
    tables = at
    for _ in range(n_topics):
        at += 2 + unpack_from("<H", rows, at)[0]
    ends = unpack_from(f"<{n + 1}I", rows, at)
    assert ends[0] == 16 and ends[-1] == tables and at + 4 * (n + 1) == len(rows)
    for start, end in zip(ends, ends[1:]):
        record = rows[start:end]
        schema, _, length = unpack_from("<III", record, 28)
        value = record[48 : 48 + length] if length != NONE else None
        around = record[:36] + record[40:48], record[48 + (length if value else 0) :]
        yield schema, slots(value) if schema == 0 and value else value, around


def slots(value):
    nulls, = unpack_from("<Q", value, 4)
    found = []
    for slot in range(unpack_from("<I", value)[0]):
        raw = value[12 + 8 * slot : 20 + 8 * slot]
        if slot in (1, 4):
            at, length = unpack_from("<II", raw)
            raw = value[at : at + length]
        found.append(None if nulls >> slot & 1 else raw)
    return found


class Spread(unittest.TestCase):
    def test_records_differ_in_one_field_alone(self):
        rows = (VECTORS / "plain.rows").read_bytes()
        was = list(records(rows))
        for field, slot, made in (("t", 1, ["", "ünï", None, "b"]), ("x", 4, [b"\x00\xff", None])):
            values = [made if schema == 0 and isinstance(value, list) else None for schema, value, _ in was]
            values[-1] = [] if values[-1] else None
            out, origin = spread(rows, field, values, {0}, lambda _: FIELDS)
            expected, rowed = [], []
            for row, ((schema, value, around), parts) in enumerate(zip(was, values)):
                for part in [] if row == 0 else [value] if parts is None else parts:
                    if parts is not None:
                        part = [*value[:slot], part.encode() if isinstance(part, str) else part, *value[slot + 1 :]]
                    expected.append((schema, part, around))
                    rowed.append(row)
            self.assertEqual(list(records(out)), expected)
            self.assertEqual(origin, rowed)

    def test_without_a_schema_it_is_a_field_of_the_json(self):
        document = json.dumps({"t": "a,b", "n": 2**60}).encode()
        value = pack("<IQII", 1, 0, 20, len(document)) + document
        record = pack("<IiqqIIIIII", 0, 1, 2, 3, NONE, NONE, NONE, len(value), 0, 0) + value
        rows = pack("<IIII", 1, 1, 1, 16 + len(record)) + record + pack("<H", 1) + b"t" + pack("<II", 16, 16 + len(record))
        (_, made, _), = records(spread(rows, "t", [["b"]], set(), None)[0])
        at, length = unpack_from("<II", made, 12)
        self.assertEqual(json.loads(made[at : at + length]), {"t": "b", "n": 2**60})

    def test_what_does_not_go_is_said(self):
        rows = (VECTORS / "plain.rows").read_bytes()
        was = list(records(rows))
        row = next(row for row, (schema, value, _) in enumerate(was) if schema == 0 and value)
        gone = next(row for row, (_, value, _) in enumerate(was) if value is None)
        for field, at, parts, said in (
            ("n", row, ["a"], "has not such a field"),
            ("z", row, ["a"], "has not such a field"),
            ("t", row, [1], "int instead of str"),
            ("t", gone, ["a"], "has not a value"),
        ):
            values = [parts if at == i else None for i in range(len(was))]
            with self.assertRaises(Fatal) as caught:
                spread(rows, field, values, set(), lambda _: FIELDS)
            self.assertIn(said, caught.exception.message)

    def test_a_batch_is_spread(self):
        class Each(Transform):
            def apply(self, batch):
                batch.fail(2, "each.no", "no")
                batch.spread("value.t", [t and t.split(",") for t in batch.column("value.t")])

        done = run(Each, {}, [{"t": "a,b", "n": 1}, {"t": None}, {"t": "c"}, None])
        self.assertEqual(done.values(), [{"t": "a", "n": 1}, {"t": "b", "n": 1}, {"t": None}, None])
        self.assertEqual((done.origin, [f[0] for f in done.failures]), ([0, 0, 1, 3], [2]))

        def check(act, said):
            with self.assertRaises(Fatal) as caught:
                run(type("Wrong", (Transform,), {"apply": lambda self, batch: act(batch)}), {}, [{"t": "a"}])
            self.assertIn(said, caught.exception.message)

        check(lambda b: b.spread("key.t", [None]), "name a field of the value")
        check(lambda b: b.spread("value.t", []), "0 entries for 1 records")
        check(lambda b: (b.spread("value.t", [None]), b.set("value.t", ["b"])), "in one batch")


if __name__ == "__main__":
    unittest.main()
