;; A transform that behaves: it leaves every batch as it is. A guest of this folder replaces one of its functions.
(module
  (import "millrace:plugin/records@0.1.0" "[resource-drop]batch" (func $drop_batch (param i32)))
;;; guest
  (export "millrace:plugin/plugin@0.1.0#describe" (func $describe))
  (export "millrace:plugin/plugin@0.1.0#validate" (func $validate))
  (export "millrace:plugin/transform@0.1.0#configure" (func $configure))
  (export "millrace:plugin/transform@0.1.0#apply" (func $apply))
  (export "millrace:plugin/transform@0.1.0#close" (func $close))
  ;; plugin-info: kind, then pointers and lengths of its texts and lists.
  (data (i32.const 1024) "\00\00\00\00" "\b0\04\00\00\0b\00\00\00" "\c0\04\00\00\01\00\00\00")
;;; $validate
  (func $validate (param i32 i32) (result i32) (i32.const 2048))
;;; $configure
  (func $configure (param i32 i32 i32 i32 i64 i32 i32 i32) (result i32) (i32.const 2048))
;;; $close
  (func $close)
;;; $apply
  (func $apply (param $batch i32) (result i32)
    (call $drop_batch (local.get $batch))
    (i32.const 2048))
