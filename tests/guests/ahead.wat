;; sink: has offset 1000 of t-0 committed, whatever was put.
(data (i32.const 4104) "\88\13\00\00\01\00\00\00")
(data (i32.const 5000) "\d8\13\00\00\01\00\00\00" "\00\00\00\00" "\00\00\00\00" "\e8\03\00\00\00\00\00\00")
(data (i32.const 5080) "t")
(func $flush (param i32 i32) (result i32) (i32.const 4096))
