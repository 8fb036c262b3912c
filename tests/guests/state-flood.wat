;; transform: puts keys of 4 bytes, another each time, until it is refused; the refusal is its answer.
(import "millrace:plugin/state@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
(func $apply (param $batch i32) (result i32)
  (local $i i32)
  (call $drop_batch (local.get $batch))
  (loop $more
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    ;; Four letters of the number, so that it is UTF-8.
    (i32.store (i32.const 8192) (i32.add (i32.const 0x41414141)
      (i32.or (i32.or (i32.and (local.get $i) (i32.const 15))
        (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4)))
        (i32.or (i32.shl (i32.and (local.get $i) (i32.const 0xf00)) (i32.const 8))
        (i32.shl (i32.and (local.get $i) (i32.const 0xf000)) (i32.const 12))))))
    (call $put (i32.const 8192) (i32.const 4) (i32.const 8192) (i32.const 5) (i32.const 4096))
    (br_if $more (i32.eqz (i32.load8_u (i32.const 4096)))))
  (i32.const 4096))
