;; transform: says why before it breaks, as the SDK's panic hook does.
(import "millrace:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
(data (i32.const 4096) "the dog ate it")
(func $apply (param i32) (result i32)
  (call $log (i32.const 4) (i32.const 4096) (i32.const 14) (i32.const 0) (i32.const 0))
  unreachable)
