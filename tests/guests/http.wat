;; transform: asks for what the key "url" says, and breaks with the error's code where there is no answer of status 200.
(import "millrace:plugin/config@0.1.0" "get" (func $get (param i32 i32 i32)))
(import "millrace:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
(import "millrace:plugin/http@0.1.0" "send"
  (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 4096) "GETurl")
(func $apply (param $batch i32) (result i32)
  (call $drop_batch (local.get $batch))
  (call $get (i32.const 4099) (i32.const 3) (i32.const 4112))
  (call $send (i32.const 4096) (i32.const 3)
    (i32.load offset=4 (i32.const 4112)) (i32.load offset=8 (i32.const 4112))
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 4128))
  (if (i32.load8_u (i32.const 4128))
    (then
      (call $log (i32.const 4) (i32.load offset=12 (i32.const 4128)) (i32.load offset=16 (i32.const 4128)) (i32.const 0) (i32.const 0))
      unreachable))
  (if (i32.ne (i32.load16_u offset=8 (i32.const 4128)) (i32.const 200)) (then unreachable))
  (i32.const 2048))
