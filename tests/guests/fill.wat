;; transform: fills the cache with 64 KiB under a new key each time, without end.
(import "millrace:plugin/cache@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32 i32 i32)))
(func $apply (param i32) (result i32)
  (local $n i64)
  (loop $again
    (local.set $n (i64.and (i64.add (i64.or (local.get $n) (i64.const 0xf0f0f0f0f0f0f0f0)) (i64.const 1)) (i64.const 0x0f0f0f0f0f0f0f0f)))
    (i64.store (i32.const 4096) (i64.or (local.get $n) (i64.const 0x4040404040404040)))
    (call $put (i32.const 4096) (i32.const 8) (i32.const 8192) (i32.const 65536) (i32.const 0) (i32.const 0) (i32.const 4128))
    (br $again))
  unreachable)
