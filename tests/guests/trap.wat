;; transform: breaks in its first batch.
(func $apply (param i32) (result i32) unreachable)
