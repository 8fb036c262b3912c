"""Several records of one that differ in a text."""

import sys
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from millrace_plugin import Fatal, Transform  # noqa: E402
from millrace_plugin.testing import run  # noqa: E402


class Spread(unittest.TestCase):
    def test_records_differ_in_one_field_alone(self):
        class Each(Transform):
            def apply(self, batch):
                batch.fail(3, "each.no", "no")
                batch.spread("value.t", [t and t.split(",") for t in batch.column("value.t")])

        given = [{"t": 'a,"ü\n'}, {"n": 2**60, "t": "b,", "d": 1e300}, {"t": None}, {"t": "c"}, None, {"x": [1], "t": "d"}]
        done = run(Each, {}, given)
        expected = [
            *({"t": "a"}, {"t": '"ü\n'}),
            *({"n": 2**60, "t": "b", "d": 1e300}, {"n": 2**60, "t": "", "d": 1e300}),
            *({"t": None}, None, {"x": [1], "t": "d"}),
        ]
        self.assertEqual([repr(v) for v in done.values()], [repr(v) for v in expected])
        self.assertEqual((done.origin, [f[0] for f in done.failures]), ([0, 0, 1, 1, 2, 4, 5], [3]))

    def test_nulls_are_set_and_records_left_out(self):
        class Each(Transform):
            def apply(self, batch):
                batch.spread("value.t", [[None], []])

        self.assertEqual(run(Each, {}, [{"t": "a"}, {"t": "b"}]).values(), [{"t": None}])

    def test_what_does_not_go_is_said(self):
        def check(act, said):
            with self.assertRaises(Fatal) as caught:
                run(type("Wrong", (Transform,), {"apply": lambda self, batch: act(batch)}), {}, [{"t": "a"}])
            self.assertIn(said, caught.exception.message)

        check(lambda b: b.spread("key.t", [None]), "name a field of the value")
        check(lambda b: b.spread("value.t", []), "0 entries for 1 records")
        check(lambda b: b.spread("value.z", [["a"]]), 'has no "value.z"')
        check(lambda b: b.spread("value.t", [[1]]), "int instead of a text")
        check(lambda b: (b.spread("value.t", [None]), b.set("value.t", ["b"])), "in one batch")


if __name__ == "__main__":
    unittest.main()
