;; transform: counts under a new name and a new label each time, without end.
(import "millrace:plugin/metrics@0.1.0" "counter-add" (func $add (param i32 i32 i32 i32 i64)))
;; One label, whose name and text are the eight letters at 4096.
(data (i32.const 4112) "\00\10\00\00\08\00\00\00\00\10\00\00\08\00\00\00")
(func $apply (param i32) (result i32)
  (local $n i64)
  (loop $again
    (local.set $n (i64.and (i64.add (i64.or (local.get $n) (i64.const 0xf0f0f0f0f0f0f0f0)) (i64.const 1)) (i64.const 0x0f0f0f0f0f0f0f0f)))
    (i64.store (i32.const 4096) (i64.or (local.get $n) (i64.const 0x4040404040404040)))
    (call $add (i32.const 4096) (i32.const 8) (i32.const 4112) (i32.const 1) (i64.const 1))
    (br $again))
  unreachable)
