;; transform: tells people of a table, over and over.
(import "millrace:plugin/alerts@0.1.0" "table-changed" (func $tell (param i32)))
(data (i32.const 4096) "a.b")
(func $apply (param i32) (result i32)
  (i32.store (i32.const 8192) (i32.const 4096))
  (i32.store (i32.const 8196) (i32.const 3))
  (loop $again
    (call $tell (i32.const 8192))
    (br $again))
  unreachable)
