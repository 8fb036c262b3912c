;; transform: imports a capability that needs a grant.
(import "millrace:plugin/files@0.1.0" "[resource-drop]reader" (func $drop_reader (param i32)))
(func $close (call $drop_reader (i32.const 7)))
