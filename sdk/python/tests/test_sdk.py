"""python3 -m unittest discover -s tests, in sdk/python: what the bindings are not needed for."""

import json
import sys
import types
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "starter")]

from millrace_plugin import Config, ConfigError, Fatal, Key, Polled, Record, RecordError, Retriable, Transform, state, transform  # noqa: E402
from millrace_plugin.column import pack, unpack  # noqa: E402
from millrace_plugin.testing import Sample, configured, run  # noqa: E402
from millrace_plugin.transform import find  # noqa: E402


class Columns(unittest.TestCase):
    def check(self, values, kind, was=None):
        packed = pack("value.x", values, was)
        self.assertEqual(packed[0], kind)
        self.assertEqual(unpack(packed), values)

    def test_they_come_back_as_they_went(self):
        self.check(["a", None, ""], "texts")
        self.check([True, False, None], "booleans")
        self.check([1, -(2**63), None, 2**63 - 1], "int64s")
        self.check([1.0, 2.5, None], "float64s")
        self.check([b"ab", None, b""], "packed")
        self.check([None if i % 8 == 0 else str(i) for i in range(17)], "texts")
        self.check([], "texts")
        self.check([None, None], "int64s", was="int64s")

    def test_what_is_of_no_kind_is_refused(self):
        for values in (["a", 1], [True, 1], [{}], [2**63], [b"a", "a"]):
            with self.assertRaises(Fatal) as caught:
                pack("value.x", values, None)
            self.assertIn('"value.x" to set', caught.exception.message)


class States(unittest.TestCase):
    def test_they_are_in_memory(self):
        state.memory.clear()
        for key in ("a", "b1", "b2", "c"):
            state.put(key, b"1")
        self.assertEqual(state.scan("b", limit=1), ([("b1", b"1")], True))
        self.assertEqual(state.scan(after="b2"), ([("c", b"1")], False))
        self.assertEqual((state.delete("a"), state.delete("a"), state.get("a")), (True, False, None))


class Sources(unittest.TestCase):
    def test_marks_are_in_order(self):
        polled = Polled([Record(topic="t", value=1), Record(topic="t", value=2)])
        polled.mark({"p": 1}, {"o": 1}, through=1).mark({"p": 1}, {"o": 2})
        self.assertEqual([through for through, *_ in polled.marks], [1, 2])
        self.assertRaises(Fatal, polled.mark, {"p": 1}, {"o": 1}, 1)
        self.assertRaises(Fatal, polled.mark, {"p": 1}, {"o": 3}, 3)


class Settings(unittest.TestCase):
    def test_they_are_parsed_or_refused_by_name(self):
        config = Config({"n": "3", "f": "1.5", "b": "TRUE", "l": "a, b,,c", "bad": "x"})
        self.assertEqual((config.int("n"), config.float("f"), config.bool("b")), (3, 1.5, True))
        self.assertEqual(config.list("l"), ["a", "b", "c"])
        self.assertIsNone(config.get("none"))
        for call in (lambda: config.int("bad"), lambda: config.bool("bad"), lambda: config["none"]):
            with self.assertRaises(ConfigError) as caught:
                call()
            self.assertIn(f'"{caught.exception.field}"', caught.exception.message)

    def test_defaults_are_as_a_configuration_has_them(self):
        self.assertEqual(Key("k", "boolean", True).default_text(), "true")
        self.assertEqual(Key("k", "list", ["a", "b"]).default_text(), "a,b")
        self.assertIsNone(Key("k", default=None).default_text())
        with self.assertRaises(ValueError):
            Key("k", "number")

        class Keyed(Transform):
            keys = [Key("a"), Key("b", default=None), Key("c", "int", 2)]

        self.assertEqual(dict(configured(Keyed, {"a": "x"})), {"a": "x", "c": "2"})
        self.assertRaises(ConfigError, configured, Keyed, {})


class Batches(unittest.TestCase):
    def test_records_are_dropped_routed_and_stripped(self):
        class Many(Transform):
            def apply(self, batch):
                batch.filter(n > 1 for n in batch.column("value.n"))
                batch.route(["three" if n == 3 else None for n in batch.column("value.n")])
                batch.remove("value.secret")
                batch.set("header.seen", batch.column("offset"))
                batch.map("value.missing", lambda _: 1)

        done = run(Many, {}, [{"n": n, "secret": "s"} for n in (1, 2, 3)])
        made = [(r.topic, r.value, r.headers) for r in done.records]
        self.assertEqual(made, [("test", {"n": 2}, {"seen": 1}), ("three", {"n": 3}, {"seen": 2})])
        self.assertEqual(done.origin, [1, 2])

    def test_a_failed_record_is_dropped_from_what_is_set(self):
        class Strict(Transform):
            def apply(self, batch):
                batch.fail(0, "strict.no", "no")
                batch.set("value.n", [None, 2])

        done = run(Strict, {}, [{"n": 1}, {"n": 1}])
        self.assertEqual((done.values(), [f[0] for f in done.failures]), ([{"n": 2}], [0]))

    def test_what_is_impossible_is_said(self):
        def check(act, words):
            class Wrong(Transform):
                def apply(self, batch):
                    act(batch)

            with self.assertRaises(Fatal) as caught:
                run(Wrong, {}, [{"a": 1}])
            self.assertIn(words, caught.exception.message)

        check(lambda b: b.set("value.a", []), "0 values for 1 records")
        check(lambda b: b.set("offset", [1]), "cannot be changed")
        check(lambda b: b.remove("value"), "name a field below")
        check(lambda b: b.column("a"), "no path of a record")
        check(lambda b: b.drop(1), "no record 1")
        check(lambda b: (b.replace(0, []), b.set("value.a", [1])), "in one batch")


class Plain(unittest.TestCase):
    def test_each_record_goes_its_way(self):
        @transform
        def each(record):
            match record.value:
                case 1:
                    raise RecordError("x.slow", "later", retriable=True)
                case 2:
                    return record.value["no"]
                case 3:
                    return [1]
                case 4:
                    return Record(topic="elsewhere")
                case {"n": n}:
                    record.value["n"] = n + 1
                    return record
            return None

        done = run(each, {}, [0, 1, 2, 3, 4, {"n": 2**60}])
        self.assertEqual([(r.topic, r.value) for r in done.records], [("elsewhere", 4), ("test", {"n": 2**60 + 1})])
        failures = [(row, code, retriable) for row, code, _, retriable in done.failures]
        expected = [(1, "x.slow", True), (2, "python.typeerror", False), (3, "python.no-record", False)]
        self.assertEqual(failures, expected)
        self.assertIn("test_sdk.py", done.failures[1][2])

    def test_an_error_of_the_call_fails_the_call(self):
        @transform
        def busy(_record):
            raise Retriable("x.busy", "busy", retry_after_ms=5)

        self.assertRaises(Retriable, run, busy, {}, [1])

    def test_what_was_only_looked_at_keeps_its_schema(self):
        seen = Sample({"a": "é", "b": [1, 2.5, None]}, key="k")

        class View:
            def len(self):
                return 1

            def documents(self, part):
                return [json.dumps(getattr(seen, part), ensure_ascii=False, separators=(",", ":"))]

        from millrace_plugin.batch import Batch
        from millrace_plugin.record import document

        record = Batch(View()).records()[0]
        self.assertEqual((record.value["a"], record.key), ("é", "k"))
        self.assertEqual(document(record), (None, None, None))
        record.value["a"] = 1
        self.assertEqual(document(record), (None, None, '{"a":1,"b":[1,2.5,null]}'))

    def test_a_module_declares_one(self):
        module = types.ModuleType("m")
        with self.assertRaises(Fatal) as caught:
            find(module)
        self.assertIn('"m" declares no transform', caught.exception.message)
        module.one = transform(lambda record: record)
        self.assertTrue(issubclass(find(module), Transform))
        module.two = transform(lambda record: record)
        self.assertRaises(Fatal, find, module)


if __name__ == "__main__":
    unittest.main()
