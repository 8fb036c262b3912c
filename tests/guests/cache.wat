;; transform: adds a key, and breaks where another task has added it before.
(import "millrace:plugin/cache@0.1.0" "add" (func $add (param i32 i32 i32 i32 i32 i32 i32)))
(func $apply (param $batch i32) (result i32)
  (call $drop_batch (local.get $batch))
  ;; The key and the value are the zeros of empty memory.
  (call $add (i32.const 8192) (i32.const 3) (i32.const 8192) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 4128))
  (if (i32.load8_u (i32.const 4128)) (then unreachable))
  (if (i32.eqz (i32.load8_u offset=8 (i32.const 4128))) (then unreachable))
  (i32.const 2048))
