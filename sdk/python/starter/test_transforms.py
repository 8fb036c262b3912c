"""python3 -m unittest"""

import unittest

from mask_email import MaskEmail
from millrace_plugin.testing import Sample, run
from split_lines import split_lines


class Transforms(unittest.TestCase):
    def test_addresses_are_masked_and_what_is_none_fails(self):
        done = run(MaskEmail, {}, [{"email": "ada@example.com"}, {"email": "none"}, None])
        self.assertEqual(done.values(), [{"email": "a**@example.com"}, None])
        self.assertEqual([(row, code) for row, code, *_ in done.failures], [(1, "mask-email.no-address")])

    def test_each_line_is_a_record(self):
        done = run(split_lines, {}, [Sample({"text": "a\nb"}, key=7), {"text": ""}, None, {}])
        made = [(record.key, record.value) for record in done.records]
        self.assertEqual(made, [(7, {"text": "a", "line": 1}), (7, {"text": "b", "line": 2}), (None, None)])
        self.assertEqual([(row, code) for row, code, *_ in done.failures], [(3, "split-lines.no-text")])


if __name__ == "__main__":
    unittest.main()
