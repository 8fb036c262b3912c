;; transform: names a failure of the row 2147483647.
(data (i32.const 4132) "\88\13\00\00\01\00\00\00")
(data (i32.const 5000) "\ff\ff\ff\7f")
(func $apply (param $batch i32) (result i32) (call $drop_batch (local.get $batch)) (i32.const 4096))
