;; transform: never ends.
(func $apply (param i32) (result i32) (loop $again (br $again)) unreachable)
