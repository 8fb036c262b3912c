;; transform: prints by WASI without end.
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.check-write" (func $check (param i32 i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
(data (i32.const 4096) "again and again\n")
(func $apply (param i32) (result i32)
  (local $out i32)
  (local.set $out (call $stdout))
  (loop $again
    (call $check (local.get $out) (i32.const 8192))
    (if (i64.ge_u (i64.load offset=8 (i32.const 8192)) (i64.const 16))
      (then (call $write (local.get $out) (i32.const 4096) (i32.const 16) (i32.const 8192))))
    (br $again))
  unreachable)
