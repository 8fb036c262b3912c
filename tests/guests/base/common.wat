;;; $describe
  (func $describe (result i32) (i32.const 1024))
;;; end
  (memory (export "memory") 2)
  ;; The rest of plugin-info: no documentation, class names, keys, bindings; row format 1; no capabilities.
  (data (i32.const 1076) "\d0\04\00\00\01\00\00\00")
  (data (i32.const 1200) "misbehaving")
  (data (i32.const 1216) "1")
  (data (i32.const 1232) "\01\00\00\00")
  ;; At 2048 all is zero: a success, nothing in it.
  (global $next (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (loop $more
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (br $more)))
    (local.get $at)))
