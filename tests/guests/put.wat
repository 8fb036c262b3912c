;; sink: two failures of one row.
(data (i32.const 4104) "\88\13\00\00\02\00\00\00")
(func $put (param $batch i32) (result i32) (call $drop_batch (local.get $batch)) (i32.const 4096))
