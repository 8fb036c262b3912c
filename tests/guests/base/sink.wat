;; A sink that behaves: it takes everything and forgets it.
(module
  (import "millrace:plugin/records@0.1.0" "[resource-drop]batch" (func $drop_batch (param i32)))
;;; guest
  (export "millrace:plugin/plugin@0.1.0#describe" (func $describe))
  (export "millrace:plugin/plugin@0.1.0#validate" (func $validate))
  (export "millrace:plugin/sink@0.1.0#task-configs" (func $task_configs))
  (export "millrace:plugin/sink@0.1.0#start" (func $start))
  (export "millrace:plugin/sink@0.1.0#open" (func $open))
  (export "millrace:plugin/sink@0.1.0#put" (func $put))
  (export "millrace:plugin/sink@0.1.0#flush" (func $flush))
  (export "millrace:plugin/sink@0.1.0#close" (func $close))
  (export "millrace:plugin/sink@0.1.0#stop" (func $stop))
  (data (i32.const 1024) "\02\00\00\00" "\b0\04\00\00\0b\00\00\00" "\c0\04\00\00\01\00\00\00")
  (func $validate (param i32 i32) (result i32) (i32.const 2048))
  (func $task_configs (param i32 i32 i32) (result i32) (i32.const 2048))
  (func $start (param i32 i32 i32 i32 i64 i32 i32 i32) (result i32) (i32.const 2048))
  (func $open (param i32 i32) (result i32) (i32.const 2048))
  (func $close (param i32 i32) (result i32) (i32.const 2048))
  (func $stop)
;;; $put
  (func $put (param $batch i32) (result i32)
    (call $drop_batch (local.get $batch))
    (i32.const 2048))
;;; $flush
  (func $flush (param i32 i32) (result i32) (i32.const 2048))
