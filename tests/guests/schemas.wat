;; transform: makes schemas with names of 64 KiB, a new one each time, until the host refuses.
(import "millrace:plugin/records@0.1.0" "intern-schema" (func $intern (param i32 i32 i32)))
(import "millrace:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
;; A node of the kind text, with a name.
(data (i32.const 4200) "\07\00\00\00" "\01\00\00\00" "\00\00\02\00" "\00\00\01\00")
(func $apply (param i32) (result i32)
  (local $n i64)
  (drop (memory.grow (i32.const 4)))
  (memory.fill (i32.const 131072) (i32.const 120) (i32.const 65536))
  (loop $again
    (local.set $n (i64.and (i64.add (i64.or (local.get $n) (i64.const 0xf0f0f0f0f0f0f0f0)) (i64.const 1)) (i64.const 0x0f0f0f0f0f0f0f0f)))
    (i64.store (i32.const 4096) (i64.or (local.get $n) (i64.const 0x4040404040404040)))
    (i64.store (i32.const 131072) (i64.load (i32.const 4096)))
    (call $intern (i32.const 4200) (i32.const 1) (i32.const 4128))
    (br_if $again (i32.eqz (i32.load8_u (i32.const 4128)))))
  (call $log (i32.const 4) (i32.load offset=20 (i32.const 4128)) (i32.load offset=24 (i32.const 4128)) (i32.const 0) (i32.const 0))
  unreachable)
