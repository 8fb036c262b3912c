;; transform: tells people of a table, over and over.
(import "millrace:plugin/alerts@0.1.0" "table-changed"
  (func $tell (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 4096) "a.b")
(func $apply (param i32) (result i32)
  (loop $again
    (call $tell (i32.const 4096) (i32.const 3)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (br $again))
  unreachable)
