;; transform: puts a key, and breaks where it is there already.
(import "millrace:plugin/state@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
(import "millrace:plugin/state@0.1.0" "delete" (func $delete (param i32 i32) (result i32)))
(import "millrace:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
(func $apply (param $batch i32) (result i32)
  (call $drop_batch (local.get $batch))
  ;; The key and the value are the zeros of empty memory.
  (call $get (i32.const 8192) (i32.const 3) (i32.const 4128))
  (if (i32.load8_u (i32.const 4128)) (then unreachable))
  (call $put (i32.const 8192) (i32.const 3) (i32.const 8192) (i32.const 5) (i32.const 4128))
  (if (i32.load8_u (i32.const 4128)) (then unreachable))
  ;; One that is put and deleted leaves nothing.
  (call $put (i32.const 8192) (i32.const 4) (i32.const 8192) (i32.const 5) (i32.const 4128))
  (if (i32.eqz (call $delete (i32.const 8192) (i32.const 4))) (then unreachable))
  (i32.const 2048))
