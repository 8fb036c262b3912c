;; transform: breaks unless the host's numbers differ, and unless a request for too many bytes is cut to what is offered.
(import "millrace:plugin/random@0.1.0" "get-u64" (func $number (result i64)))
(import "millrace:plugin/random@0.1.0" "get-bytes" (func $bytes (param i32 i32)))
(func $apply (param $batch i32) (result i32)
  (call $drop_batch (local.get $batch))
  (if (i64.eq (call $number) (call $number)) (then unreachable))
  (call $bytes (i32.const 0xffffffff) (i32.const 4112))
  (if (i32.ne (i32.load offset=4 (i32.const 4112)) (i32.const 65536)) (then unreachable))
  (i32.const 2048))
