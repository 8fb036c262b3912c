;; transform: logs without end.
(import "millrace:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
(data (i32.const 4096) "again and again")
(func $apply (param i32) (result i32)
  (loop $again
    (call $log (i32.const 2) (i32.const 4096) (i32.const 15) (i32.const 0) (i32.const 0))
    (br $again))
  unreachable)
