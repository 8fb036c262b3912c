"""PYTHONPATH=.millrace/python python3 -m unittest"""

import unittest

from millrace_plugin.testing import run
from my_plugin import MyPlugin


class Hides(unittest.TestCase):
    def test_a_text_is_hidden(self):
        done = run(MyPlugin, {"field": "email"}, [{"id": 1, "email": "ada@example.com"}, {"email": None}, None])
        self.assertEqual(done.values(), [{"id": 1, "email": "***"}, {"email": None}, None])

    def test_anything_else_fails_alone(self):
        done = run(MyPlugin, {"field": "email"}, [{"email": 7}, {"id": 1}])
        self.assertEqual([(row, code) for row, code, *_ in done.failures], [(0, "my-plugin.no-text")])
        self.assertEqual(done.origin, [1])


if __name__ == "__main__":
    unittest.main()
