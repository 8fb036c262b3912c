;; transform: asks for a key of the cache and for a setting that others have, and says so where it has neither.
(import "millrace:plugin/cache@0.1.0" "get" (func $cached (param i32 i32 i32)))
(import "millrace:plugin/config@0.1.0" "get" (func $get (param i32 i32 i32)))
(import "millrace:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
(data (i32.const 4096) "nothing of others is here")
(data (i32.const 4200) "database.password")
(func $apply (param $batch i32) (result i32)
  (call $drop_batch (local.get $batch))
  ;; The key that "cache" adds is three zeros.
  (call $cached (i32.const 8192) (i32.const 3) (i32.const 4300))
  (call $get (i32.const 4200) (i32.const 17) (i32.const 4320))
  (if (i32.or (i32.load8_u (i32.const 4300)) (i32.load8_u (i32.const 4320))) (then (return (i32.const 2048))))
  (call $log (i32.const 4) (i32.const 4096) (i32.const 25) (i32.const 0) (i32.const 0))
  unreachable)
