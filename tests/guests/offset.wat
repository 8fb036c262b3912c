;; source: an offset that is no JSON.
(data (i32.const 4116) "\88\13\00\00\01\00\00\00" "\d8\13\00\00\01\00\00\00")
(data (i32.const 5000) "\ac\13\00\00\02\00\00\00")
(data (i32.const 5036) "{}")
(data (i32.const 5080) "\00\00\00\00\00\00\00\00" "\ac\13\00\00\01\00\00\00")
(func $poll (param i32 i32) (result i32) (i32.const 4096))
