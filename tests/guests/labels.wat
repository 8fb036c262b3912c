;; transform: hands the host 10,000 labels of a megabyte each, all of them the same megabyte of its own.
(import "millrace:plugin/metrics@0.1.0" "counter-add" (func $add (param i32 i32 i32 i32 i64)))
(data (i32.const 4096) "n")
(func $apply (param i32) (result i32)
  (local $at i32)
  (drop (memory.grow (i32.const 64)))
  (local.set $at (i32.const 131072))
  (loop $more
    (i32.store (local.get $at) (i32.const 1048576))
    (i32.store offset=4 (local.get $at) (i32.const 1048576))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 291072))))
  (call $add (i32.const 4096) (i32.const 1) (i32.const 131072) (i32.const 10000) (i64.const 1))
  (i32.const 2048))
