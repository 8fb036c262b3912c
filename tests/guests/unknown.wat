;; transform: imports what no host offers.
(import "wasi:made-up/thing@0.2.0" "f" (func $f))
(func $close (call $f))
