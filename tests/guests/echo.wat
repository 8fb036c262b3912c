;; transform: answers with the rows it was given, each its own origin. It behaves; benchmarks measure the boundary with it.
(import "millrace:plugin/records@0.1.0" "[method]batch.rows" (func $rows (param i32 i32)))
(data (i32.const 4104) "\02\00\00\00")
(func $apply (param $batch i32) (result i32)
  (local $n i32) (local $i i32) (local $at i32)
  (global.set $next (i32.const 65536))
  (call $rows (local.get $batch) (i32.const 4112))
  (call $drop_batch (local.get $batch))
  (local.set $n (i32.load offset=4 (i32.load (i32.const 4112))))
  (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.mul (local.get $n) (i32.const 4))))
  (i32.store (i32.const 4120) (local.get $at))
  (i32.store (i32.const 4124) (local.get $n))
  (block $done
    (loop $more
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (i32.store (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 4))) (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $more)))
  (i32.const 4096))
