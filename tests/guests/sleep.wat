;; transform: sleeps by WASI until the end of time.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(func $apply (param i32) (result i32) (call $block (call $after (i64.const -1))) unreachable)
