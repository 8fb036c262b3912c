;; transform: calls itself without end.
(func $apply (param i32) (result i32) (i32.add (call $apply (local.get 0)) (i32.const 1)))
