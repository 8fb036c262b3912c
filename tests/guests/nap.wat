;; transform: sleeps as the contract lets it, over and over.
(import "millrace:plugin/clock@0.1.0" "sleep" (func $sleep (param i32) (result i32)))
(func $apply (param i32) (result i32) (loop $again (drop (call $sleep (i32.const -1))) (br $again)) unreachable)
