;; transform: takes memory until it gets none, then breaks on that.
(func $apply (param i32) (result i32)
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
  unreachable)
