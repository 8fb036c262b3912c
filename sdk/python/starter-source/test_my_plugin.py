"""PYTHONPATH=.millrace/python python3 -m unittest"""

import unittest

from millrace_plugin import Fatal, Offset
from millrace_plugin.testing import configured
from my_plugin import PARTITION, MyPlugin


class Counts(unittest.TestCase):
    def started(self, *committed):
        source = MyPlugin()
        source.start(configured(MyPlugin, {"topic": "numbers"}), list(committed))
        return source

    def test_it_goes_on_where_it_was(self):
        first = self.started()
        polled = [first.poll(100, 1 << 20) for _ in range(3)]
        self.assertEqual([p.records[0].value for p in polled], [{"n": 0}, {"n": 1}, {"n": 2}])
        through, partition, offset, _ = polled[-1].marks[0]
        self.assertEqual((through, partition), (1, PARTITION))
        again = self.started(Offset(partition, offset))
        self.assertEqual(again.poll(100, 1 << 20).records[0].value, {"n": 3})

    def test_an_offset_of_another_form_is_refused(self):
        with self.assertRaises(Fatal):
            self.started(Offset(PARTITION, {"other": 1}))


if __name__ == "__main__":
    unittest.main()
