;; transform: takes handles and drops none.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(func $apply (param i32) (result i32) (loop $again (drop (call $after (i64.const 1))) (br $again)) unreachable)
