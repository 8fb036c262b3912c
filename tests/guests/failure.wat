;; transform: names a failure of row 99.
(data (i32.const 4132) "\88\13\00\00\01\00\00\00")
(data (i32.const 5000) "\63\00\00\00")
(func $apply (param $batch i32) (result i32) (call $drop_batch (local.get $batch)) (i32.const 4096))
