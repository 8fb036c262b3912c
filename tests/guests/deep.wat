;; transform: removes a field half a million names deep.
(data (i32.const 4104) "\01\00\00\00")
(data (i32.const 4116) "\88\13\00\00\01\00\00\00")
(data (i32.const 5000) "\00\00\02\00\46\42\0f\00")
(func $apply (param $batch i32) (result i32)
  (local $at i32)
  (call $drop_batch (local.get $batch))
  (drop (memory.grow (i32.const 32)))
  (i64.store (i32.const 131072) (i64.const 0x612e65756c6176)) ;; "value.a"
  (local.set $at (i32.const 131079))
  (loop $more
    (i32.store16 (local.get $at) (i32.const 0x612e))
    (local.set $at (i32.add (local.get $at) (i32.const 2)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 1131078))))
  (i32.const 4096))
