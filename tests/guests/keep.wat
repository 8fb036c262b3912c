;; transform: keeps the batch that was lent to it.
(func $apply (param i32) (result i32) (i32.const 2048))
