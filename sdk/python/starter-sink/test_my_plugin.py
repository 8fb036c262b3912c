"""PYTHONPATH=.millrace/python python3 -m unittest"""

import unittest

from millrace_plugin import files
from millrace_plugin.testing import Sample, configured, put
from my_plugin import MyPlugin


class Writes(unittest.TestCase):
    def test_a_line_for_each_record(self):
        files.memory.clear()
        sink = MyPlugin()
        sink.start(configured(MyPlugin, {"file": "any"}))
        failures = put(sink, [Sample({"n": 1}, topic="t", offset=7), None, "text"])
        self.assertEqual(files.memory["out"].decode(), 't 0 7 {"n": 1}\ntest 0 2 "text"\n')
        self.assertEqual([(row, code) for row, code, *_ in failures], [(1, "my-plugin.no-value")])


if __name__ == "__main__":
    unittest.main()
