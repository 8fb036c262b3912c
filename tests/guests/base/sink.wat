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
;;; $validate
  (func $validate (param i32 i32) (result i32) (i32.const 2048))
;;; $task_configs
  (func $task_configs (param $config i32) (param $entries i32) (param i32) (result i32)
    ;; One task, with the connector's configuration.
    (i32.store (i32.const 3080) (i32.const 3088))
    (i32.store (i32.const 3084) (i32.const 1))
    (i32.store (i32.const 3088) (local.get $config))
    (i32.store (i32.const 3092) (local.get $entries))
    (i32.const 3072))
;;; $start
  (func $start (param i32 i32 i32 i32 i64 i32 i32 i32) (result i32) (i32.const 2048))
;;; $open
  (func $open (param i32 i32) (result i32) (i32.const 2048))
;;; $close
  (func $close (param i32 i32) (result i32) (i32.const 2048))
;;; $stop
  (func $stop)
;;; $put
  (func $put (param $batch i32) (result i32)
    (call $drop_batch (local.get $batch))
    (i32.const 2048))
;;; $flush
  (func $flush (param i32 i32) (result i32) (i32.const 2048))
