;; transform: polls WASI for what comes in a year.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
(func $apply (param i32) (result i32)
  (i32.store (i32.const 4096) (call $after (i64.const 31536000000000000)))
  (call $poll (i32.const 4096) (i32.const 1) (i32.const 4112))
  unreachable)
