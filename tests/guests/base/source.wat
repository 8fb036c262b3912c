;; A source that behaves: it has nothing to say.
(module
;;; guest
  (export "millrace:plugin/plugin@0.1.0#describe" (func $describe))
  (export "millrace:plugin/plugin@0.1.0#validate" (func $validate))
  (export "millrace:plugin/source@0.1.0#task-configs" (func $task_configs))
  (export "millrace:plugin/source@0.1.0#start" (func $start))
  (export "millrace:plugin/source@0.1.0#poll" (func $poll))
  (export "millrace:plugin/source@0.1.0#commit" (func $commit))
  (export "millrace:plugin/source@0.1.0#stop" (func $stop))
  (data (i32.const 1024) "\01\00\00\00" "\b0\04\00\00\0b\00\00\00" "\c0\04\00\00\01\00\00\00")
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
  (func $start (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32) (result i32) (i32.const 2048))
;;; $commit
  (func $commit (param i32 i32) (result i32) (i32.const 2048))
;;; $stop
  (func $stop)
;;; $poll
  (func $poll (param i32 i32) (result i32) (i32.const 2048))
