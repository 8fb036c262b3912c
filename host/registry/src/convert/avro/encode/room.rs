//! The room that a record is written into: bytes that are there before anything is written, so that a value costs one look at
//! what is left, and short values are copied whole with what stands behind them.

use super::Branch;

/// What must be left for any branch and number, which are written in whole words.
pub(super) const STEP: usize = 32;
/// Up to so many bytes are copied in one piece, whatever there is of them.
const SHORT: usize = 32;

/// There is not enough room.
#[derive(Debug)]
pub(super) struct Full;

/// The room of one branch and one number from `at` on.
#[inline(always)]
pub(super) fn step(room: &mut [u8], at: usize) -> Result<&mut [u8; STEP], Full> {
    room.get_mut(at..).and_then(|rest| rest.first_chunk_mut()).ok_or(Full)
}

/// Writes a branch and says how long it is, which is below 8.
#[inline(always)]
pub(super) fn branch(step: &mut [u8; STEP], branch: &Branch) -> usize {
    step[..8].copy_from_slice(&branch.bytes);
    usize::from(branch.len & 7)
}

/// Writes eight bytes or fewer behind a branch.
#[inline(always)]
pub(super) fn word<const N: usize>(step: &mut [u8; STEP], from: usize, bytes: [u8; N]) -> usize {
    const { assert!(N <= 8) };
    let from = from & 7;
    step[from..from + N].copy_from_slice(&bytes);
    from + N
}

/// Writes a number behind a branch: zigzag, and seven bits a byte.
#[inline(always)]
pub(super) fn long(step: &mut [u8; STEP], from: usize, v: i64) -> usize {
    let (from, mut z) = (from & 7, ((v << 1) ^ (v >> 63)) as u64);
    if z < 0x80 {
        step[from] = z as u8;
        return from + 1;
    }
    if z < 1 << 56 {
        // The groups of seven bits move apart, halves first, into a byte each.
        let n = (70 - z.leading_zeros() as usize) / 7;
        z = (z & 0x0FFF_FFFF) | (z & 0x00FF_FFFF_F000_0000) << 4;
        z = (z & 0x0000_3FFF_0000_3FFF) | (z & 0x0FFF_C000_0FFF_C000) << 2;
        z = (z & 0x007F_007F_007F_007F) | (z & 0x3F80_3F80_3F80_3F80) << 1;
        // All but the last say that another follows.
        z |= 0x8080_8080_8080_8080 & !(u64::MAX << (8 * (n - 1)));
        step[from..from + 8].copy_from_slice(&z.to_le_bytes());
        return from + n;
    }
    longest(step, from, z)
}

#[inline(never)]
fn longest(step: &mut [u8; STEP], mut at: usize, mut z: u64) -> usize {
    while z >= 0x80 {
        step[at % STEP] = z as u8 | 0x80;
        z >>= 7;
        at += 1;
    }
    step[at % STEP] = z as u8;
    at + 1
}

/// Copies `len` bytes of `from`, which begin at `start`. None: they lie outside.
#[inline(always)]
pub(super) fn copy(room: &mut [u8], at: usize, from: &[u8], start: usize, len: usize) -> Option<Result<usize, Full>> {
    let (source, target) = (from.get(start..)?, room.get_mut(at..).unwrap_or_default());
    if len <= SHORT
        && let (Some(source), Some(target)) = (source.first_chunk::<SHORT>(), target.first_chunk_mut::<SHORT>())
    {
        *target = *source;
        return Some(Ok(at + len));
    }
    let source = source.get(..len)?;
    match target.get_mut(..len) {
        Some(target) => target.copy_from_slice(source),
        None => return Some(Err(Full)),
    }
    Some(Ok(at + len))
}

#[cfg(test)]
mod tests {
    use super::super::constant;
    use super::*;

    #[test]
    fn numbers_of_every_length_are_written_behind_branches() {
        let mut numbers = vec![0, i64::MIN, i64::MAX];
        for by in 0..63 {
            numbers.extend([-2, -1, 0, 1, 2].map(|near| (1i64 << by) + near).map(i64::wrapping_neg));
            numbers.extend([-2, -1, 0, 1, 2].map(|near| (1i64 << by) + near));
        }
        for number in numbers {
            let mut expected = Vec::new();
            constant::long(number, &mut expected);
            for from in 0..6 {
                let mut room = [0xAA; STEP];
                let end = long(&mut room, from, number);
                assert_eq!((&room[from..end], &room[..from]), (&expected[..], &[0xAA; 8][..from]), "{number}");
            }
        }
    }

    #[test]
    fn copies_are_of_the_length_asked_for() {
        let from: Vec<u8> = (0..100).collect();
        for (start, len) in [(0, 0), (0, 1), (3, 31), (4, 32), (5, 33), (90, 10), (100, 0), (0, 100)] {
            let mut room = [0xAA; 120];
            let end = copy(&mut room, 7, &from, start, len).expect("it lies within").expect("there is room");
            assert_eq!((end, &room[7..end]), (7 + len, &from[start..start + len]));
        }
        assert!(copy(&mut [0; 50], 0, &from, 90, 11).is_none());
        assert!(copy(&mut [0; 50], 0, &from, 101, 0).is_none());
        assert!(copy(&mut [0; 50], 0, &from, 0, 51).expect("it lies within").is_err());
        assert!(copy(&mut [0; 50], 40, &from, 0, 11).expect("it lies within").is_err());
        assert!(copy(&mut [0; 50], 60, &from, 0, 1).expect("it lies within").is_err());
    }
}
